package balancer

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Load is what a node said of itself with its last answer.
type Load struct {
	Known    bool // false: the node does not say, and the rest is zero
	Queued   uint32
	InFlight uint32
	Wait     time.Duration // what a request that comes now would wait, by the node's own estimate
}

// loadCell holds a Load so that it is written and read without a lock. Its words may be of different answers: a load is a
// hint, and each of its figures is one that the node gave.
type loadCell struct {
	counts atomic.Uint64 // queued << 32 | in flight
	wait   atomic.Int64  // nanoseconds + 1; 0 = not known

	others   atomic.Uint64 // requests that came from elsewhere << lifeBits | base-2 logarithm of their life in nanoseconds
	othersAt atomic.Int64  // when the node said so, by the pool's clock

	own     atomic.Uint64 // window of the pool's clock << 32 | most leases seen in flight within it
	ownPast atomic.Uint64 // the same for the window before
}

const (
	lifeBits = 8
	// lifeLeast is how long news of others is worth anything at least: a few runs of an ordinary model. What is older says
	// nothing of which node is idle now, and gateways that all believe it run to the same one.
	lifeLeast = 32 * time.Millisecond
	// lifeMost keeps a node that has said an absurd wait from being avoided for longer than that.
	lifeMost = 4 * time.Second
	// othersMost is more requests than a node can hold, and times lifeMost fits into 63 bits.
	othersMost = 1 << 24
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
	// Every core reports, and most reports are news to nobody: a write would take the line away from all others.
	if counts := uint64(l.Queued)<<32 | uint64(l.InFlight); n.load.counts.Load() != counts {
		n.load.counts.Store(counts)
	}
	if wait := int64(l.Wait) + 1; n.load.wait.Load() != wait {
		n.load.wait.Store(wait)
	}
	if n.pool.timed {
		n.load.compare(l, n.inflight.Load(), n.pool.now())
	}
}

// compare finds out how much of the load others have brought: what the node holds beyond what it has from us.
func (c *loadCell) compare(l Load, inflight int64, now time.Duration) {
	others := int64(l.Queued) + int64(l.InFlight) - c.knownOwn(inflight, now)
	if others <= 0 {
		if c.others.Load() != 0 {
			c.others.Store(0)
		}
		return
	}
	// It has been worked off, and replaced, by the time that a request which comes now has waited for its turn and run.
	life := min(max(2*l.Wait, lifeLeast), lifeMost)
	c.othersAt.Store(int64(now))
	c.others.Store(uint64(min(others, othersMost))<<lifeBits | uint64(bits.Len64(uint64(life-1))))
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
// over, but all of it rounded up so that one request is one until then.
func (c *loadCell) foreign(now time.Duration) int64 {
	others := c.others.Load()
	if others == 0 {
		return 0
	}
	life := int64(1) << (others & (1<<lifeBits - 1))
	left := min(life-int64(now)+c.othersAt.Load(), life)
	if left <= 0 {
		return 0
	}
	return (int64(others>>lifeBits)*left + life - 1) >> (others & (1<<lifeBits - 1))
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
