package onnx

// #include "ort.h"
import "C"

import (
	"context"
	"sync"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// runner is one instance of a model, which makes one run at a time.
type runner struct {
	run run

	mu      sync.Mutex
	slot    *slot // of the run under way
	stopped bool  // that run has been told to end
}

var _ scheduler.Stopper = (*runner)(nil)

// Runners returns the instances.
func (m *model) Runners() []scheduler.Runner {
	runners := make([]scheduler.Runner, len(m.instances))
	for i, s := range m.instances {
		runners[i] = m.runnerOn(s)
	}
	return runners
}

func (m *model) runnerOn(s *session) *runner {
	return &runner{run: run{model: m, session: s, library: m.engine.library}}
}

// Run makes one inference; see scheduler.Runner. It waits for a free slot first.
func (r *runner) Run(ctx context.Context, inputs []oip.Tensor, want []string, results *scheduler.Results) error {
	m := r.run.model
	m.running.RLock()
	defer m.running.RUnlock()
	if m.closed {
		return errClosed
	}
	defer r.run.forget()
	if err := r.run.order(inputs, want); err != nil {
		return err
	}
	if sick := m.engine.Health(); sick != nil && r.run.session.device.isGPU() {
		return newSickError(sick) // some of the errors that last take a run seconds to come up
	}
	slots := r.run.session.slots
	slot, err := slots.acquire(ctx)
	if err != nil {
		return err
	}
	defer slots.release(slot)
	defer m.engine.shrinker.ran()
	defer r.end()
	if err := r.begin(ctx, slot); err != nil {
		return err
	}
	r.run.slot, r.run.results = slot, results
	return r.run.make(ctx)
}

// begin makes the run one that Stop stops. A Stop that came before has ended ctx.
func (r *runner) begin(ctx context.Context, slot *slot) error {
	r.mu.Lock()
	r.slot = slot
	r.mu.Unlock()
	return ctx.Err()
}

// end makes the slot fit for other runs. A Stop that comes from now on finds nothing to stop.
func (r *runner) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		C.gn_resume(r.run.library.ort, r.slot.call)
	}
	r.slot, r.stopped = nil, false
}

// Stop makes the run under way end: the runtime looks up between two operators. A run that waits for a slot looks at its
// context.
func (r *runner) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slot != nil {
		r.stopped = true
		C.gn_terminate(r.run.library.ort, r.slot.call)
	}
}
