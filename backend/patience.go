package backend

import (
	"context"
	"sync"
	"time"
)

// patience is the context of a request: it ends when the client has gone. It is reused, channel and all, so that a client who
// stays until its answer costs no allocation. Whoever watches the client calls ClientGone, and is told to stop watching before
// renew.
type patience struct {
	deadline time.Time // the zero time is none

	mu   sync.Mutex
	done chan struct{} // nil until somebody has asked for it
	err  error
}

var _ context.Context = (*patience)(nil)

// renew readies the context for the next request.
func (p *patience) renew(deadline time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = deadline
	if p.err != nil {
		p.done, p.err = nil, nil
	}
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
