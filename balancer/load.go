package balancer

import (
	"sync/atomic"
	"time"
)

// Load is what a node said of itself with its last answer.
type Load struct {
	Known    bool // false: the node does not say, and the rest is zero
	Queued   uint32
	InFlight uint32
	Wait     time.Duration // what a request that comes now would wait, by the node's own estimate
	Worked   time.Duration // how long ago it began what it began last; 0 = it runs nothing, or does not say
	// Batch is, of a model that answered, the most rows of one run: requests that wait go together. 0 = it does not say, 255 = that or
	// more.
	Batch uint8
}

// loadCell holds a Load so that it is written and read without a lock. Its words may be of different answers: a load is a
// hint, and each of its figures is one that the node gave.
type loadCell struct {
	others   atomic.Int64 // requests that came from elsewhere
	othersAt atomic.Int64 // when the node said so, by the pool's clock
	heardAt  atomic.Int64 // when it last did so without an answer and was believed; 0 = never
	timed    atomic.Bool  // it says for how long it has worked

	counts atomic.Uint64 // queued << 32 | in flight
	wait   atomic.Int64  // nanoseconds + 1; 0 = not known

	own     atomic.Uint64 // window of the pool's clock << 32 | most leases seen in flight within it
	ownPast atomic.Uint64 // the same for the window before
}

const (
	// newsLife is the base-2 logarithm of how long, in nanoseconds, news of others is worth anything: about 2 s, and less and
	// less of it. In the simulation (bench/sim) with several gateways each doubling from 1 ms to 2 s was better than the one
	// before: a node that was busy when it was last heard of is a worse bet than one that was idle, for long.
	newsLife = 31
	// othersMost is more requests than a node can hold, and times the life fits into 63 bits.
	othersMost = 1 << 24
	// heardMemory is how many loads of a node that runs several requests at a time an average is of.
	heardMemory = 4
	// heardLife is for how long after a node has told its load, and was believed, nothing else is. Nodes tell when there is news, and
	// twice a second what is as it was.
	heardLife = time.Second
	// ownWindow is the base-2 logarithm in nanoseconds of the time for which own leases count as known to the node: about
	// 2 ms. Nodes find their load out every millisecond, so a batch that comes back at once still counts in what it brings.
	ownWindow = 21
)

// Report notes what the node said of itself, with an answer whose lease is not done yet. A load that is not known changes
// nothing.
func (n *Node) Report(l Load) {
	if !l.Known {
		return
	}
	n.load.keep(l)
	now := n.pool.now()
	if n.load.upToDate(now) {
		return
	}
	n.note(n.load.compare(l, n.inflight.Load(), now), now)
}

// Hear notes what the node said of itself without an answer, to all gateways at once, and how many of its requests are from
// us. What all hear at the same moment must not make all of them go there. Nodes that are believed decline what comes too late; any other
// that was busy with the work of others does not become idle by its word, only less busy. In the simulation (bench/sim) gateways that
// believe all they hear, 5 ms apart, have twice the p99 of those that hear nothing. That such a node is idle is told by its answers, each
// of which one gateway gets alone.
func (n *Node) Hear(l Load, own int64) {
	if !l.Known {
		return
	}
	n.load.keep(l)
	now := n.pool.now()
	n.turned(l, now)
	others := l.others(own)
	if l.InFlight > 1 {
		// A node that batches holds least when its run has just begun, which is when the next one is farthest. Only the average
		// says how busy it is. In the simulation, where 64 nodes batch and tell every millisecond, p99 is 2.2 times the ideal
		// without this, 1.7 with it.
		others = (heardMemory-1)*n.load.foreign(now)/heardMemory + (others+heardMemory-1)/heardMemory
	}
	if n.believes() {
		n.load.heardAt.Store(max(1, int64(now)))
		n.note(others, now)
		return
	}
	n.note(max(others, min(n.load.foreign(now), 1)), now)
}

// others is what the node holds beyond so many that are ours. All that runs counts as one: with several gateways, one that sees the whole
// of a batch each time it is answered, and half a batch of its own, would take nodes for busy that are about to be idle.
func (l *Load) others(own int64) int64 { return int64(l.Queued) + int64(min(l.InFlight, 1)) - own }

// upToDate reports whether the node has lately told its load and was believed. Then what it says with an answer, which may be a
// millisecond old and leaves us to guess how much is ours, would make what is known worse: in the simulation a third to a half of
// all declines by eight nodes come of that.
func (c *loadCell) upToDate(now time.Duration) bool {
	heard := c.heardAt.Load()
	return heard != 0 && int64(now)-heard < int64(heardLife)
}

// keep notes what the node said, in its own words.
func (c *loadCell) keep(l Load) {
	// Every core reports, and most reports are news to nobody: a write would take the line away from all others.
	if counts := uint64(l.Queued)<<32 | uint64(l.InFlight); c.counts.Load() != counts {
		c.counts.Store(counts)
	}
	if wait := int64(l.Wait) + 1; c.wait.Load() != wait {
		c.wait.Store(wait)
	}
}

// compare finds out how much of the load others have brought: what the node holds beyond what it has from us.
func (c *loadCell) compare(l Load, inflight int64, now time.Duration) int64 {
	return l.others(c.knownOwn(inflight, now))
}

// note notes how many requests others have on the node.
func (n *Node) note(others int64, now time.Duration) {
	c := &n.load
	if others <= 0 {
		if c.others.Load() != 0 {
			c.others.Store(0)
		}
		return
	}
	n.pool.inCompany(now)
	c.othersAt.Store(int64(now))
	c.others.Store(min(others, othersMost))
}

// knownOwn is how many of the node's requests are from us: as many as are in flight, or were a moment ago when the node
// looked.
func (c *loadCell) knownOwn(inflight int64, now time.Duration) int64 {
	window := uint64(now>>ownWindow) & (1<<32 - 1)
	count := uint64(min(max(inflight, 0), 1<<32-1))
	own := c.own.Load()
	switch {
	case own>>32 != window:
		c.ownPast.Store(own)
		own = window<<32 | count
		c.own.Store(own)
	case own&(1<<32-1) < count:
		own = window<<32 | count
		c.own.Store(own)
	}
	if past := c.ownPast.Load(); past>>32+1 == window {
		count = max(count, past&(1<<32-1))
	}
	return int64(max(count, own&(1<<32-1)))
}

// foreign is how many requests from elsewhere the node may still hold: what it said, less and less of it until its life is
// over, but rounded up so that one request is one until then.
func (c *loadCell) foreign(now time.Duration) int64 {
	others := c.others.Load()
	if others == 0 {
		return 0
	}
	const life = 1 << newsLife
	left := min(life-int64(now)+c.othersAt.Load(), life)
	if left <= 0 {
		return 0
	}
	return (others*left + life - 1) >> newsLife
}

// companyEvery is how often at most a pool notes that others send work to its nodes: all cores share the note.
const companyEvery = 100 * time.Millisecond

// inCompany notes that others send work to the pool's nodes.
func (p *Pool) inCompany(now time.Duration) {
	if last := p.company.Load(); last == 0 || int64(now)-last > int64(companyEvery) {
		p.company.Store(max(1, int64(now)))
	}
}

// alone reports whether nobody else had work on the pool's nodes for as long as that is worth knowing: then what is in flight is
// all that there is.
func (p *Pool) alone(now time.Duration) bool {
	last := p.company.Load()
	return last == 0 || int64(now)-last >= 1<<newsLife
}

// Load is what the node said of itself last.
func (n *Node) Load() Load {
	wait := n.load.wait.Load()
	if wait == 0 {
		return Load{}
	}
	counts := n.load.counts.Load()
	return Load{Known: true, Queued: uint32(counts >> 32), InFlight: uint32(counts), Wait: time.Duration(wait - 1)}
}
