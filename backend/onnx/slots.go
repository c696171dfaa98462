package onnx

// #include "ort.h"
import "C"

import (
	"context"
	"fmt"
	"runtime"
)

// slot is the right to make one run at a time, and what a run needs that is worth keeping: run options and argument
// arrays in C memory.
type slot struct {
	call *C.gn_call
	pin  runtime.Pinner // what the run under way reads and writes in Go memory
}

// slots are all there are. A run on a CPU keeps one core busy for its whole length: more at a time than cores would only
// take turns and all answer late.
type slots struct {
	library library
	free    chan *slot
}

func newSlots(l library, n int) (*slots, error) {
	s := &slots{library: l, free: make(chan *slot, n)}
	for range n {
		slot, err := newSlot(l)
		if err != nil {
			s.close()
			return nil, err
		}
		s.free <- slot
	}
	return s, nil
}

func newSlot(l library) (*slot, error) {
	var call *C.gn_call
	if err := l.take(C.gn_new_call(l.ort, &call)); err != nil {
		return nil, fmt.Errorf("cannot make run options: %w", err)
	}
	return &slot{call: call}, nil
}

func (s *slot) free(l library) { C.gn_free_call(l.ort, s.call) }

// acquire waits for a free slot, first come first served, or for ctx to end.
func (s *slots) acquire(ctx context.Context) (*slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case free := <-s.free:
		return free, nil
	default: // asking a context for its channel may make one
	}
	select {
	case free := <-s.free:
		return free, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *slots) release(used *slot) {
	used.pin.Unpin()
	s.free <- used
}

// close frees the slots; all of them are free.
func (s *slots) close() {
	for range len(s.free) {
		(<-s.free).free(s.library)
	}
}
