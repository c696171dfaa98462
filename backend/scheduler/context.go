package scheduler

import (
	"context"
	"sync"
	"time"
)

// runContext is the context of an instance's runs, one after the other. Its channel is made when somebody asks for it and
// lives on until a run is stopped, so that a run that is not stopped allocates nothing.
type runContext struct {
	stopper Stopper // nil if the Runner is none

	mu     sync.Mutex
	err    error
	done   chan struct{}
	inside bool // in Runner.Run
}

// renewed returns the context of the next run: c, or another if c has ended. What waits for contexts that the Runner has derived
// from it may look at it after its run, and must find why it has ended.
func (c *runContext) renewed() *runContext {
	if c.Err() == nil {
		return c
	}
	return &runContext{stopper: c.stopper}
}

// enter reports whether Run is to be called, which is not the case when it has been stopped already.
func (c *runContext) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside = c.err == nil
	return c.inside
}

// leave ends the time in which Stopper.Stop may be called.
func (c *runContext) leave() {
	c.mu.Lock()
	c.inside = false
	c.mu.Unlock()
}

// stop ends the context.
func (c *runContext) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	if c.done != nil {
		close(c.done)
	}
	if c.inside && c.stopper != nil {
		c.stopper.Stop()
	}
}

// Done implements context.Context.
func (c *runContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *runContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Deadline implements context.Context. There is none: the scheduler watches the deadlines of all requests of the batch.
func (c *runContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Value implements context.Context.
func (c *runContext) Value(any) any { return nil }
