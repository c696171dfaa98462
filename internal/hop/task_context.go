package hop

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// taskContext is the context of a handler. It belongs to its task and is reused with it, unless its handler
// has asked for Done, which costs the allocations.
type taskContext struct {
	task   *task
	mu     sync.Mutex
	done   chan struct{}
	leaver Leaver
	ended  atomic.Int32
}

// Leaver is told when nobody waits for a request's answer any more.
type Leaver interface {
	// ClientGone is called at most once for each Watch, under locks: it must return at once and call nothing of this package.
	ClientGone()
}

// Watch has l told when ctx ends before Unwatch, or at once if it has ended already. It is for handlers that would have to
// make a channel for every request to wait on ctx. ctx is one that a Handler was given, and the Handler calls Unwatch
// before it returns.
func Watch(ctx context.Context, l Leaver) {
	x := ctx.(*taskContext) //nolint:forcetypeassert // another context is a bug of the caller's
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended.Load() != contextLive {
		l.ClientGone()
		return
	}
	x.leaver = l
}

// Unwatch ends what Watch has begun. When it returns, ClientGone is not running and will not be called.
func Unwatch(ctx context.Context) {
	x := ctx.(*taskContext) //nolint:forcetypeassert // as in Watch
	x.mu.Lock()
	defer x.mu.Unlock()
	x.leaver = nil
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
	if !x.ended.CompareAndSwap(contextLive, state) {
		return
	}
	if x.done != nil {
		close(x.done)
	}
	if l := x.leaver; l != nil {
		x.leaver = nil
		l.ClientGone()
	}
}

// renewed returns the context for the task's next request: x, or another if somebody has asked x for its channel. What waits
// on that, for contexts that the handler has derived, may look at x later and must find it ended.
func (x *taskContext) renewed() *taskContext {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done != nil {
		return &taskContext{task: x.task}
	}
	x.leaver = nil
	x.ended.Store(contextLive)
	return x
}
