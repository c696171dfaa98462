package onnx

// #include "ort.h"
import "C"

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/backend"
	"ganglion/backend/scheduler"
)

// shrinkAfter is how long the arena keeps what a run has left in it. Taking memory from the system again costs a run
// about what one more pass over that memory would, so once in ten seconds goes unnoticed; and a node that has seen one
// huge request does not stay huge.
const shrinkAfter = 10 * time.Second

// shrinker gives memory that runs have left in the shared arena back to the system; the arena never does by itself. The
// runtime only offers to shrink it at the end of a run, when the outputs of that run still lie in it, so this makes a run
// of its own, of a model that computes nothing.
type shrinker struct {
	wait  time.Duration
	probe *model
	slot  *slot // its own: not one that requests wait for
	timer *time.Timer
	armed atomic.Bool // the timer runs

	mu     sync.Mutex // held while shrinking
	closed bool       // guarded by mu
}

// newShrinker makes the shrinker of an engine whose sessions share an arena.
func newShrinker(e *Engine) (*shrinker, error) {
	slot, err := newSlot(e.library)
	if err != nil {
		return nil, err
	}
	if err := e.library.take(C.gn_shrink_after_run(e.library.ort, slot.call)); err != nil {
		slot.free(e.library)
		return nil, err
	}
	probe, err := e.open([]placement{{onCPU, 1}}, backend.ModelOptions{MaxOutput: 1 << 10}, func(options *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
		model, err := constantModel()
		if err != nil {
			return nil, err
		}
		return ort.NewDynamicAdvancedSessionWithONNXData(model, nil, nil, options)
	})
	if err != nil {
		slot.free(e.library)
		return nil, err
	}
	s := &shrinker{wait: shrinkAfter, probe: probe, slot: slot}
	s.timer = time.AfterFunc(time.Hour, s.shrink)
	s.timer.Stop()
	return s, nil
}

// ran is told of the end of every run. A nil shrinker has nothing to do.
func (s *shrinker) ran() {
	if s != nil && !s.armed.Load() && s.armed.CompareAndSwap(false, true) {
		s.timer.Reset(s.wait)
	}
}

// shrink frees those parts of the arena that no run uses.
func (s *shrinker) shrink() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed.Store(false) // first, so that a run that ends from now on is not overlooked
	if s.closed {
		return
	}
	r := run{model: s.probe, session: s.probe.sessions[0], library: s.probe.engine.library, slot: s.slot, results: scheduler.NewResults(nil)}
	defer s.slot.pin.Unpin()
	if err := r.order(nil, nil); err != nil {
		panic("BUG: the model for shrinking memory takes inputs: " + err.Error())
	}
	// It fails only for want of memory; then there is nothing to give back.
	_ = r.make(context.Background())
}

// close waits for shrink and frees all.
func (s *shrinker) close() error {
	if s == nil {
		return nil
	}
	s.timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.slot.free(s.probe.engine.library)
	return s.probe.free()
}
