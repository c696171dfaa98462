package balancer

import (
	"sync/atomic"
	"time"
)

// Lease is the right to send one attempt to one node. Pick grants it; whoever got it calls Done exactly once, however the
// attempt ends, or the node looks busier for ever. A Lease must not be copied.
type Lease struct {
	node    *Node
	breaker *breaker      // the node's at the time: outcomes from before a node came back do not count against it
	seen    uint64        // the breaker's mirror at the time
	trial   func(error)   // not nil: this attempt is the trial of a circuit that is not closed
	began   time.Duration // by the pool's clock, if its policy is timed
	ahead   int64         // requests that the node held then, with this one, as far as anybody knows
	untimed bool
	over    atomic.Bool
}

// Node is who takes the attempt.
func (l *Lease) Node() *Node { return l.node }

// Trial reports whether the attempt decides if the node's circuit closes again.
func (l *Lease) Trial() bool { return l.trial != nil }

// Untimed keeps the time that the attempt took from saying anything of the node's speed: the node refused, which is quickly
// done. It comes before Done.
func (l *Lease) Untimed() { l.untimed = true }

// Done gives the lease back and says how the attempt went. It panics when called twice, on a Lease that Pick did not
// grant, or without an outcome: each is a bug that would otherwise show as a node that is never, or always, picked.
func (l *Lease) Done(o Outcome) {
	if l.node == nil {
		panic("BUG: lease reported that was never granted")
	}
	if l.over.Swap(true) {
		panic("BUG: lease reported twice")
	}
	l.node.pool.returned(l, o)
	if l.trial != nil {
		l.breaker.endTrial(l.trial, o)
	} else {
		l.breaker.record(l.seen, o)
	}
	if l.breaker.turned.Load() && l.breaker.turned.Swap(false) {
		l.node.pool.circuitTurned(l.node)
	}
}
