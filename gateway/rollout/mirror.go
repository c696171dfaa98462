package rollout

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Copy is a request on its way to a shadow. It owns its bytes.
type Copy struct {
	Method, Target, Header, Body []byte

	buf []byte // holds all four
}

// fill makes c a copy of the given parts.
func (c *Copy) fill(method, target, header, body []byte) {
	c.buf = append(c.buf[:0], method...)
	c.buf = append(c.buf, target...)
	c.buf = append(c.buf, header...)
	c.buf = append(c.buf, body...)
	rest := c.buf
	cut := func(n int) []byte {
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	c.Method, c.Target, c.Header, c.Body = cut(len(method)), cut(len(target)), cut(len(header)), cut(len(body))
}

// Send delivers a copy and waits for its answer, at most until the context ends. An error means that the shadow did
// not answer, or answered with a failure. The copy must not be kept.
type Send func(ctx context.Context, c *Copy) error

// Bounds of one shadow's queue. A shadow that keeps up never has more waiting than arrive within one of its answers;
// what goes beyond that is traffic it cannot take, and dropping it is what a shadow is for.
const (
	queueCopies = 256      // about a quarter of a second at 1,000 copies a second
	queueBytes  = 32 << 20 // small beside what the exchanges themselves may hold, room for a few large images
	workers     = 16       // copies under way at once: enough for 1,600 a second at 10 ms each
	keepBytes   = 64 << 10 // largest buffer that is reused
)

// Mirror gives a shadow its copies. The zero value is not usable.
type Mirror struct {
	split   *Split
	timeout time.Duration
	send    Send
	log     *slog.Logger

	queue  chan *Copy
	queued atomic.Int64 // bytes in queue and under way
	spare  sync.Pool    // of *Copy

	sent, failed, dropped, panics atomic.Uint64
}

// Stats counts what became of the sampled requests.
type Stats struct {
	Sent    uint64 // answered by the shadow, failures included
	Failed  uint64 // of those sent: no answer, or a failure
	Dropped uint64 // no room in the queue
	Panics  uint64 // sending panicked: a bug
}

// NewMirror makes a mirror that copies percent of what it is asked about and gives each copy the given time. It starts
// nothing.
func NewMirror(percent float64, timeout time.Duration, send Send, log *slog.Logger) *Mirror {
	return &Mirror{
		split: NewSplit(percent), timeout: timeout, send: send, log: log,
		queue: make(chan *Copy, queueCopies),
	}
}

// Sample reports whether the request at hand should be copied.
func (m *Mirror) Sample() bool { return m.split.Take() }

// Copy copies the parts of a request. It returns nil, and counts, when there is no room for the copy. The caller hands
// it to [Mirror.Offer], once.
func (m *Mirror) Copy(method, target, header, body []byte) *Copy {
	size := int64(len(method) + len(target) + len(header) + len(body))
	if m.queued.Add(size) > queueBytes || len(m.queue) == cap(m.queue) {
		m.queued.Add(-size)
		m.dropped.Add(1)
		return nil
	}
	c, ok := m.spare.Get().(*Copy)
	if !ok {
		c = new(Copy)
	}
	c.fill(method, target, header, body)
	return c
}

// Offer queues a copy to be sent, or drops and counts it when the queue is full. It never waits.
func (m *Mirror) Offer(c *Copy) {
	select {
	case m.queue <- c:
	default:
		m.done(c)
		m.dropped.Add(1)
	}
}

// Run sends copies until ctx ends. What is queued then is dropped: nobody waits for it.
func (m *Mirror) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { m.work(ctx) })
	}
	group.Wait()
	return nil
}

func (m *Mirror) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-m.queue:
			m.deliver(ctx, c)
			m.done(c)
		}
	}
}

// deliver sends one copy. A panic costs the copy, not the process.
func (m *Mirror) deliver(ctx context.Context, c *Copy) {
	defer func() {
		if r := recover(); r != nil {
			m.panics.Add(1)
			m.log.Error("BUG: sending a shadow copy panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	if err := m.send(ctx, c); err != nil {
		m.failed.Add(1)
		m.log.Debug("shadow copy failed", "target", string(c.Target), "error", err)
	}
	m.sent.Add(1)
}

// done takes a copy out of the books and keeps its buffer if it is of a common size.
func (m *Mirror) done(c *Copy) {
	m.queued.Add(-int64(len(c.buf)))
	if cap(c.buf) <= keepBytes {
		m.spare.Put(c)
	}
}

// Stats reads the counters.
func (m *Mirror) Stats() Stats {
	return Stats{Sent: m.sent.Load(), Failed: m.failed.Load(), Dropped: m.dropped.Load(), Panics: m.panics.Load()}
}
