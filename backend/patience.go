package backend

import (
	"context"
	"sync"
	"time"
)

// patience is the context of a request: it ends when the client has gone. It serves one request after the other, channel and
// all, as long as their clients stay, so that those cost no allocation. Whoever watches the client calls ClientGone, and has
// been told to stop watching before the next request. Once it has ended it is never used again: what the context package
// starts to wait for it may look at it later, and must find why it has ended.
type patience struct {
	deadline time.Time // the zero time is none

	mu   sync.Mutex
	done chan struct{} // nil until somebody has asked for it
	err  error
}

var _ context.Context = (*patience)(nil)

// renewed returns the context for the next request: p, or another one if p has ended. p may be nil.
func (p *patience) renewed(deadline time.Time) *patience {
	if p == nil || p.Err() != nil {
		p = new(patience)
	}
	p.deadline = deadline
	return p
}

// ClientGone ends the context. The cause is the deadline if that has passed.
func (p *patience) ClientGone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	p.err = context.Canceled
	if !p.deadline.IsZero() && !time.Now().Before(p.deadline) {
		p.err = context.DeadlineExceeded
	}
	if p.done != nil {
		close(p.done)
	}
}

// Deadline implements context.Context. That it has passed is for the scheduler to notice, which watches all deadlines, or for
// the transport it came by: both are exact.
func (p *patience) Deadline() (deadline time.Time, ok bool) { return p.deadline, !p.deadline.IsZero() }

// Done implements context.Context.
func (p *patience) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = make(chan struct{})
		if p.err != nil {
			close(p.done)
		}
	}
	return p.done
}

// Err implements context.Context.
func (p *patience) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Value implements context.Context.
func (p *patience) Value(any) any { return nil }
