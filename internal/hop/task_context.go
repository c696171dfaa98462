package hop

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// taskContext is the context of a handler. It is part of its task and reused with it; only a handler that asks for Done costs an
// allocation.
type taskContext struct {
	task  *task
	mu    sync.Mutex
	done  chan struct{}
	ended atomic.Int32
}

// What ended is.
const (
	contextLive int32 = iota
	contextCanceled
	contextLate
)

// Deadline returns the request's deadline.
func (x *taskContext) Deadline() (time.Time, bool) {
	at := x.task.req.Deadline
	return at, !at.IsZero()
}

// Done returns a channel that is closed when the handler's work is of no more use, and when it has returned.
func (x *taskContext) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done == nil {
		x.done = make(chan struct{})
		if x.ended.Load() != contextLive {
			close(x.done)
		}
	}
	return x.done
}

// Err says whether and why Done is closed.
func (x *taskContext) Err() error {
	switch x.ended.Load() {
	case contextCanceled:
		return context.Canceled
	case contextLate:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Value returns nil: a task carries no values.
func (x *taskContext) Value(any) any { return nil }

// end closes Done. The first cause stays.
func (x *taskContext) end(cause error) {
	state := contextCanceled
	if cause == context.DeadlineExceeded { //nolint:errorlint // the package's own argument, never wrapped
		state = contextLate
	}
	x.mu.Lock() // before the state changes: a Done that comes between the two would close its channel, and this one close it again
	defer x.mu.Unlock()
	if x.ended.CompareAndSwap(contextLive, state) && x.done != nil {
		close(x.done)
	}
}

// reset readies the context for the next task.
func (x *taskContext) reset() {
	x.done = nil
	x.ended.Store(contextLive)
}
