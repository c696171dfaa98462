package balancer

import (
	"sync/atomic"
	"time"
)

// Lease is the right to send one attempt to one node. Pick grants it; whoever got it calls Done exactly once, however the
// attempt ends, or the node looks busier for ever. A Lease must not be copied.
type Lease struct {
	grant
	over atomic.Bool
}

// grant is what a lease consists of, but for its end.
type grant struct {
	place *placement
	// The breakers at the time, the placement's own and the node's: outcomes from before a node came back do not count
	// against it. Seen are their mirrors.
	own, nodes         *breaker
	ownSeen, nodesSeen uint64

	trial    func(error)   // not nil: this attempt is the trial of a circuit that is not closed
	trialOf  *breaker      // own or nodes
	began    time.Duration // by the pool's clock
	ahead    int64         // requests that the node held then, with this one, as far as anybody knows
	ask      Ask
	attempt  int  // of its exchange, from 1
	among    int  // how many candidates of one standing
	first    bool // of its exchange
	chosen   bool // by a policy that knows what others send, for an exchange that may go elsewhere
	declines int  // of its exchange so far
	late     bool // it was broken off because it took too long
	untimed  bool
	within   time.Duration // see Within
	// The placement's stopwatch follows it; it was sent to find out how the placement is.
	followed, looks bool
}

// to fills in where the attempt goes.
func (l *Lease) to(pl *placement) {
	l.place, l.own, l.nodes = pl, pl.breaker.Load(), pl.node.breaker.Load()
	l.ownSeen, l.nodesSeen = l.own.mirror.Load(), l.nodes.mirror.Load()
}

// Node is who takes the attempt.
func (l *Lease) Node() *Node { return l.place.node }

// Model is what the attempt is for.
func (l *Lease) Model() *Model { return l.place.model }

// Trial reports whether the attempt was sent to find out how the node is: if its circuit closes again, if it is slow, or still.
func (l *Lease) Trial() bool { return l.trial != nil || l.looks }

// Report takes in what the node said of the model with its answer, if it declines attempts that would wait too long. It comes before Done.
func (l *Lease) Report(model Load) {
	m := l.place.model
	if p, ok := m.policy.(*leastLoad); ok && model.Known && !m.Common() {
		p.heard(l.place, model, m.pool.now())
	}
}

// Unsaid takes in that the node has answered as one that neither declines attempts nor says when it begins what: an older one may have
// taken the place of one that did, and what that said last would count for ever. It comes before Done, in place of Report.
func (l *Lease) Unsaid() {
	if o := &l.place.opening; o.known() {
		o.at.Store(unsaid)
	}
	if timed := &l.place.node.load.timed; timed.Load() {
		timed.Store(false)
	}
}

// Within is how long the request may wait at the node until it is run for the attempt to be worth taking; 0 = as long as it takes.
func (l *Lease) Within() time.Duration {
	if l.Trial() || l.among < 2 {
		return 0 // no other node would do
	}
	return l.within
}

// Untimed keeps the time that the attempt took from saying anything of the node's speed: the node refused, which is quickly
// done. It comes before Done.
func (l *Lease) Untimed() { l.untimed = true }

// Done gives the lease back and says how the attempt went. It panics when called twice, on a Lease that Pick did not
// grant, or without an outcome: each is a bug that would otherwise show as a node that is never, or always, picked.
func (l *Lease) Done(o Outcome) {
	switch {
	case l.place == nil:
		panic("BUG: lease reported that was never granted")
	case o < Success || o > Neutral:
		panic("BUG: lease reported with no outcome")
	case l.over.Swap(true):
		panic("BUG: lease reported twice")
	}
	n := l.place.node
	now := n.pool.now()
	l.report(l.nodes, l.nodesSeen, o.ofNode(), now)
	l.report(l.own, l.ownSeen, o.ofModel(), now)
	n.pool.returned(l, o, now)
	if l.nodes.news() {
		n.pool.nodeTurned(n)
	}
	if l.own.news() {
		l.place.turned()
	}
}

// leave gives back the lease's place, which is free from here on.
func (l *Lease) leave() {
	if l.followed {
		l.place.conduct.Load().stopwatch.following.Store(false)
	}
	l.place.inflight.Add(-1)
	n := l.place.node
	n.vacate()
	n.pool.queue.freed(n)
}

// report puts the outcome to one of the two breakers.
func (l *Lease) report(b *breaker, seen uint64, o Outcome, now time.Duration) {
	if l.trial != nil && l.trialOf == b {
		b.endTrial(l.trial, o)
		return
	}
	b.record(seen, o, now)
}
