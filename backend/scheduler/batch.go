package scheduler

import (
	"sync/atomic"
	"time"
)

// batch is one run from its forming until the last of its requests has released the results.
type batch struct {
	// Guarded by Scheduler.mu, until the batch has left its instance.
	id       uint64
	instance *instance
	leader   *Request // its goroutine runs the batch
	items    []item
	limit    int // rows it may have
	rows     int
	weight   int
	waiting  int         // requests that still wait while it runs
	unwatch  func() bool // ends the watch on the leader's context
	gathers  bool        // its leader lets others come before it begins
	begun    bool

	began  time.Duration // when its leader took it on
	timing Timing

	results Results
	holders atomic.Int32 // requests, and its leader, that still need results
	pool    *batches
}

// item is a request's part of a batch. It tells what the results have to be cut by even when the request has left.
type item struct {
	request *Request // nil when it has left
	rows    int
	lengths [maxRagged]int64
}

// accepts reports whether r, which has the batch's signature, fits in. The first always does.
func (b *batch) accepts(r *Request) bool {
	if len(b.items) == 0 {
		return true
	}
	return !r.alone && !b.items[0].request.alone && b.weight+r.weight <= b.limit
}

func (b *batch) add(r *Request) {
	r.batch, r.place = b, len(b.items)
	b.items = append(b.items, item{r, r.rows, r.lengths})
	b.rows += r.rows
	b.weight += r.weight
}

// drop takes out the requests that are leaving, before the batch runs, and hands each to left, which may be its end.
func (b *batch) drop(left func(*Request)) {
	kept := b.items[:0]
	b.rows, b.weight = 0, 0
	for _, it := range b.items {
		r := it.request
		if r.leaving != nil {
			left(r)
			continue
		}
		r.place = len(kept)
		kept = append(kept, it)
		b.rows += r.rows
		b.weight += r.weight
	}
	clear(b.items[len(kept):])
	b.items = kept
}

// elect makes one request the leader: the one with the latest deadline, because a leader cannot answer before the run has
// ended; when its own deadline passes, so has everybody's, and the run is stopped. Among equals it is self, whose goroutine is
// running already, or the first.
func (b *batch) elect(self *Request) *Request {
	b.leader = b.items[0].request
	for _, it := range b.items[1:] {
		if r := it.request; r.deadline > b.leader.deadline || r == self && r.deadline == b.leader.deadline {
			b.leader = r
		}
	}
	return b.leader
}

// release gives up one hold on the results.
func (b *batch) release() {
	if b.holders.Add(-1) == 0 {
		b.pool.put(b)
	}
}
