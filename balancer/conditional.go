package balancer

import "time"

// Behind several gateways what each of them knows of a node is old, and several send to the same idle node at once. So an attempt may be
// conditional: it says how many requests the node should hold with it for the gateway to have chosen well. A node that holds more, and
// could not begin the attempt at once, declines it, which costs the way there and back, and the gateway chooses again by what it has
// learned. In the simulation (bench/sim) with eight gateways and 64 equal nodes this takes p99 from 1.5 times that of one central queue
// to 1.1 times. Who may be corrected may also believe more of what it hears: see Node.believes.

const (
	// DeclinesMost is how many attempts of an exchange may be declined; the one after them is unconditional. In the simulation with 64
	// equal nodes, p99 is 1.37 times the central queue's with one, 1.24 with two, 1.14 with three, 1.09 with four and 1.04 with six, while
	// eight nodes gain nothing from more than three.
	DeclinesMost = 4
	// declinesWorth is how long leases on a node last from which on a decline costs less than it saves. Requests of a millisecond last
	// that long at 80 % load; those of 0.6 ms have with 64 nodes the same p99 with conditions as without.
	declinesWorth = 1500 * time.Microsecond
	// expectsSlack is the part of what a node is believed to hold by which it may hold more. Of two nodes with four and five requests
	// either is a good choice: in bursts, where all have so many, this saves more than half of the declines and costs nothing.
	expectsSlack = 4
	// expectsMost is more than what any wait is worth a choice for: a node that holds so many is one of a pool that is flooded.
	expectsMost = 100
)

// Expects is the most requests, with this one, that the node should hold for the attempt to be worth taking; all that it runs count as
// one. It is conditional if least_load chose the node among others, for an exchange that has not been declined too often, and others send
// work to the pool's nodes; else the node should take the attempt whatever it holds.
func (l *Lease) Expects() (most int, conditional bool) {
	switch {
	case l.within > 0: // what counts is when, and not how many
		return 0, false
	case !l.chosen || l.among <= l.attempt || l.declines >= DeclinesMost:
		return 0, false
	}
	return l.place.node.expects(l.ahead, l.began)
}

// expects is how many requests the node may hold where so many are expected with an attempt, if that is worth a condition.
func (n *Node) expects(ahead int64, now time.Duration) (most int, conditional bool) {
	if ahead > expectsMost || n.held.Load() < int64(declinesWorth) || n.pool.alone(now) {
		return 0, false
	}
	return int(ahead + ahead/expectsSlack), true
}

// Declined gives back the lease of a conditional attempt that the node did not take, in place of Done. It takes in what the node said: its
// load, and how many of its requests are from us. Nothing else happened: no attempt is counted or recorded, nothing is held against the
// node, and it may be picked again, since with the books corrected it may be the best one still. tried is the one that Pick was given. It
// panics if the attempt was a trial: what finds out how a node is has to end with an outcome.
func (l *Lease) Declined(load Load, own int64, tried *Tried) {
	switch {
	case l.place == nil || l.Trial():
		panic("BUG: lease declined that was not conditional")
	case l.over.Swap(true):
		panic("BUG: lease reported twice")
	}
	n := l.place.node
	tried.decline(n)
	now := n.pool.now()
	if l.within > 0 {
		l.place.opening.declined(load, now)
	}
	n.load.keep(load)
	n.turned(load, now)
	// Nobody else is told this at this moment, so it is taken as it is.
	n.note(load.others(own), now)
	l.leave()
}

// NewsPause is how long a node waits that tells its load to a gateway of a pool with so many members, before it tells again: short beside
// what requests take that are worth a choice. Nodes have something to tell twice for each request of others at most, so that few pools come
// near it. A load costs a gateway some 10 µs of CPU time, and of a larger pool it should not hear more than 100,000 a second.
func NewsPause(members int) time.Duration {
	const (
		least = 300 * time.Microsecond
		each  = time.Second / 100_000
	)
	if members <= fieldMost {
		return least
	}
	return time.Duration(members) * each
}

// newsFresh is how many times as long as the pause between two of a node's loads leases on it must last for its loads to be believed. What
// all gateways hear at the same moment makes them all send to the same node; if news is quick, declines keep them apart, and else they
// cannot. In the simulation with 64 nodes and requests of 5 ms, leases on which last 6.5 ms, p99 is 1.09 times the ideal's with belief and
// 1.26 without it if nodes tell every 0.3 ms, 1.20 and 1.33 every millisecond, 1.35 and 1.37 every 2 ms, 1.65 and 1.38 every 3 ms; and
// belief costs up to three times the declines.
const newsFresh = 8

// believes reports whether the node's loads are believed as they are told: it declines attempts, and news of it is quick.
func (n *Node) believes() bool {
	return n.load.timed.Load() && n.held.Load() >= newsFresh*int64(NewsPause(n.Members()))
}

// turned takes in for how long the node has worked. Only nodes say that which decline attempts.
func (n *Node) turned(l Load, now time.Duration) {
	timed := n.load.timed.Load()
	if l.Worked > 0 && !timed {
		n.load.timed.Store(true)
	}
	if l.Worked > 0 || timed && l.InFlight > 0 { // else it has just begun
		n.turnedAt.Store(int64(now - l.Worked))
	}
}
