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
}

// loadCell holds a Load so that it is written and read without a lock. The two words may be of different answers: a load is
// a hint, and each of its figures is one that the node gave.
type loadCell struct {
	counts atomic.Uint64 // queued << 32 | in flight
	wait   atomic.Int64  // nanoseconds + 1; 0 = not known
}

// Report notes what the node said of itself. A load that is not known changes nothing.
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
