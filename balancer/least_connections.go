package balancer

import (
	"math/bits"
	"sync/atomic"
)

// leastConnections takes the node with the fewest leases in flight for its weight. It looks at every node: a sample would
// save nanoseconds and cost, on a node that runs milliseconds per request, the difference between a queue and none.
//
// Between nodes that are equally loaded, most of all between idle ones, it takes turns in proportion to the weights, so
// that light traffic is shared out too instead of all going to the first.
type leastConnections struct {
	turn atomic.Uint64
}

func (p *leastConnections) choose(g *group, _ uint64, tried Tried) *Node {
	best := load{inflight: 1, weight: 0} // infinitely loaded
	var node *Node
	var tied uint64 // the weights of all nodes that are loaded like best
	for i := range g.nodes {
		c := &g.nodes[i]
		if tried.Len() > 0 && tried.Has(c.node) {
			continue
		}
		switch l := loadOf(c); l.compare(best) {
		case -1:
			best, node, tied = l, c.node, c.weight
		case 0:
			tied += c.weight
		}
	}
	if tied == best.weight {
		return node
	}
	return g.among(best, p.next(tied), tried, node)
}

// next returns a number below n. Numbers in a row are spread evenly over the range, and so is every second, every third
// and so on of them: turn times the golden ratio, of which only the fraction counts. A plain turn modulo n would fall in
// step with callers who alternate between two sets of tied nodes, and starve one.
func (p *leastConnections) next(n uint64) uint64 {
	const goldenRatio = 0x9E3779B97F4A7C15 // its fraction times 2^64
	high, _ := bits.Mul64(p.turn.Add(1)*goldenRatio, n)
	return high
}

// among walks the nodes that are loaded like best until their weights add up to more than at. Loads change while we look;
// if not enough nodes are left with this one, it is the fallback's turn.
func (g *group) among(best load, at uint64, tried Tried, fallback *Node) *Node {
	for i := range g.nodes {
		c := &g.nodes[i]
		if loadOf(c).compare(best) != 0 || (tried.Len() > 0 && tried.Has(c.node)) {
			continue
		}
		if at < c.weight {
			return c.node
		}
		at -= c.weight
	}
	return fallback
}

// load is a fraction: leases in flight by weight.
type load struct {
	inflight, weight uint64
}

func loadOf(c *candidate) load {
	return load{inflight: uint64(max(0, c.node.inflight.Load())), weight: c.weight}
}

// compare returns -1, 0 or +1 as l is less than, equal to or more than other. Weights are at most maxWeight and leases in
// flight are bounded by memory, so the products do not overflow.
func (l load) compare(other load) int {
	a, b := l.inflight*other.weight, other.inflight*l.weight
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
