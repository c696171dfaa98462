package balancer

import "time"

// allow sets what the configuration allows the node to have at a time: its own bound, or the pool's.
func (n *Node) allow(own int) {
	if own == 0 {
		own = n.pool.cfg.MaxInflight
	}
	n.most.Store(int64(own))
	n.bound()
}

// find sets the limit that admission wants in force.
func (n *Node) find(limit int64) {
	n.wanted.Store(limit)
	n.bound()
}

// bound puts the lesser of both limits in force. When both change at once the limit of a moment ago may stay, until admission
// comes by again, which it does every few milliseconds.
func (n *Node) bound() {
	limit := n.most.Load()
	if wanted := n.wanted.Load(); wanted > 0 && (limit == 0 || wanted < limit) {
		limit = wanted
	}
	before := n.limit.Load()
	if before == limit {
		return
	}
	n.limit.Store(limit)
	if before != 0 && (limit == 0 || limit > before) {
		n.pool.queue.stir()
	}
}

// hold learns how long a lease has lasted. Each counts for a sixteenth; two that end at the same moment may lose one of the
// two, which an average does not feel.
func (n *Node) hold(took time.Duration) {
	held := n.held.Load()
	if held == 0 {
		n.held.Store(int64(max(1, took)))
		return
	}
	n.held.Store(max(1, held+(int64(took)-held)/16))
}

// work is how many leases are out, and how many of them end in a second, by how long they last on each node; a rate of 0 is
// not known.
func (p *Pool) work() (busy int64, rate float64) {
	known := int64(0)
	for _, n := range p.members.Load().nodes {
		inflight := max(0, n.inflight.Load())
		busy += inflight
		if held := time.Duration(n.held.Load()); held > 0 {
			known += inflight
			rate += float64(inflight) / held.Seconds()
		}
	}
	if known > 0 {
		rate *= float64(busy) / float64(known)
	}
	return busy, rate
}
