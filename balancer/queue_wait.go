package balancer

import (
	"math"
	"time"
)

const (
	// paceSpan is how long the rate at which places come free looks back: long enough for several batches of most models,
	// short enough that a node that was lost counts soon.
	paceSpan = time.Second
	// pacePrior is how many places coming free the guess with which a wait begins is worth: after as many as that, half of
	// the rate is what was seen.
	pacePrior = 8
	// doubt is by how much an expected wait is taken for longer than it is: places come free in batches and at random, and
	// who is let in and then refused has waited for nothing.
	doubt = 1.25
	// standingShare is the part of queue.timeout that a queue which does not empty may take, at least; see bound.
	standingShare = 10
)

// releases is the rate at which places come free while somebody waits.
type releases struct {
	count float64       // places that came free, each worth less with every second
	span  float64       // seconds in which they did, worth as much
	last  time.Duration // when both were brought up to date
	since time.Duration // when the queue was empty last
	held  time.Duration // how long a lease lasts, by what was known then; 0 = not known
}

// begin is called when somebody comes to the empty queue. What is known of the pool then is how many leases are out, and how
// long they last: by Little's law so many end in a second.
func (r *releases) begin(now time.Duration, work func() (busy int64, rate float64)) {
	*r = releases{last: now, since: now}
	if busy, rate := work(); rate > 0 {
		r.count, r.span = pacePrior, pacePrior/rate
		r.held = time.Duration(float64(busy) / rate * float64(time.Second))
	}
}

// freed counts one place that came free.
func (r *releases) freed(now time.Duration) {
	r.age(now)
	r.count++
}

// age brings both sums up to date.
func (r *releases) age(now time.Duration) {
	dt := (now - r.last).Seconds()
	if dt <= 0 {
		return
	}
	r.last = now
	const span = float64(paceSpan) / float64(time.Second)
	kept := math.Exp(-dt / span)
	r.count *= kept
	r.span = r.span*kept + span*(1-kept)
}

// expect is how long the one with so many before it will wait; 0 = nobody can tell yet.
func (r *releases) expect(ahead int, now time.Duration) time.Duration {
	r.age(now)
	if r.count < 1 || r.span <= 0 {
		return 0
	}
	seconds := doubt * float64(ahead+1) * r.span / r.count
	return time.Duration(min(seconds, maxTime.Seconds()) * float64(time.Second))
}

// allowed is how long the waiter may wait: until the queue's timeout, or until too little of its own time is left for the
// attempt. What others have taken says how much that needs, but never keeps more than half of its time from a waiter, which
// may be for a quicker model.
func (q *queue) allowed(w *Waiter, now time.Duration) time.Duration {
	allowed := q.cfg.Timeout
	if w.Deadline.IsZero() {
		return allowed
	}
	left := q.until(w.Deadline) - now
	return min(allowed, left-min(q.pace.held, left/2))
}

// countEvery is how long a count of leases is good for somebody who only wants to know whether there are more or less as many.
const countEvery = time.Millisecond

// atWork is how many leases are out. To count them is to look at every node, which of a thousand takes longer than all else
// that is done for a refusal, under the lock. The caller holds q.mu.
func (q *queue) atWork(now time.Duration) int64 {
	if now-q.counted >= countEvery {
		q.busy, _ = q.work()
		q.counted = now
	}
	return q.busy
}

// bound is the longest wait that is expected of somebody who is let in.
//
// A burst may fill the time that is allowed. But a queue that has not been empty for as long as anybody may wait is no burst:
// more comes than the nodes can do, and all that a long queue does then is to make everybody late who is served at all. So
// it may hold as many as are being worked on, with which every place that comes free is taken at once, whole batches of them
// included, or a tenth of its timeout, whichever is longer. (The idea is CoDel's, that a standing queue serves nobody.)
func (q *queue) bound(allowed, now time.Duration) time.Duration {
	if now-q.pace.since <= q.cfg.Timeout {
		return allowed
	}
	enough := q.pace.expect(int(q.atWork(now)), now)
	return min(allowed, max(enough, q.cfg.Timeout/standingShare))
}
