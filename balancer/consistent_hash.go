package balancer

import (
	"sync/atomic"
	"time"
)

// consistentHash takes the node that the request's key belongs to, so that what a node keeps of earlier requests serves
// later ones with the same key. A node is given up to bound times its share of all that is in flight; the keys beyond that
// go to the next node of the ring, always the same one for a key ("Consistent Hashing with Bounded Loads", Mirrokni,
// Thorup and Zadimoghaddam, 2016). Requests without a key go where the least is in flight.
type consistentHash struct {
	bound    float64
	inflight *atomic.Int64 // of the whole pool, whatever the model
	keyless  *leastConnections
}

// hashSpare is what a node may have in flight however little there is in the pool: one that runs, and one so that it need
// not wait for the next. Less would scatter keys in the quietest times.
const hashSpare = 2

func newConsistentHash(m makings) *consistentHash {
	return &consistentHash{inflight: m.inflight, bound: m.hash.Bound, keyless: newLeastConnections(m)}
}

func (p *consistentHash) choose(g *group, a ask) *placement {
	if a.key != 0 {
		each := p.each(g)
		if pl := a.ring().walk(g, a.key, func(c *candidate) bool { return a.fits(c) && float64(c.node.inflight.Load()) < c.room(each) }); pl != nil {
			return pl
		}
	}
	return p.keyless.choose(g, a)
}

// each is how much a node may have in flight for each unit of its weight.
func (p *consistentHash) each(g *group) float64 {
	return p.bound * float64(max(0, p.inflight.Load())+1) / float64(g.weight)
}

// room is how much a node must have less than in flight to be given a key.
func (c *candidate) room(each float64) float64 { return max(hashSpare, each*float64(c.weight)) }

// explain implements scorer. The score is the node's place in the order in which the key asks them.
func (p *consistentHash) explain(g *group, c *candidate, a *ask) Score {
	if a.key == 0 {
		return p.keyless.explain(g, c, a)
	}
	s := keyOrder(g, c, a)
	s.add("in flight", "%d", c.node.inflight.Load())
	s.add("bound", "%.1f", c.room(p.each(g)))
	return s
}

// granted implements bookkeeper.
func (p *consistentHash) granted(*placement, time.Duration) int64 { p.inflight.Add(1); return 0 }

// returned implements bookkeeper.
func (p *consistentHash) returned(ending) { p.inflight.Add(-1) }

// stuck takes the node that the key belongs to, however busy it is: its requests are parts of one sequence, of which that node
// keeps what came before. So being full is a reason to wait for it, not to start over elsewhere, and among the nodes that it
// chooses from are all that work.
type stuck struct{}

func (p *stuck) choose(g *group, a ask) *placement {
	if pl := a.ring().walk(g, a.key, a.may); pl != nil {
		return pl
	}
	// None of them is on the ring, or none is near.
	n := uint64(len(g.nodes))
	from := mix(a.key)
	for i := range n {
		if c := &g.nodes[(from+i)%n]; a.may(c) {
			return c.place
		}
	}
	return nil
}

// explain implements scorer.
func (p *stuck) explain(g *group, c *candidate, a *ask) Score { return keyOrder(g, c, a) }

// keyOrder is a candidate's place in the order in which the key asks the nodes, the first is 1. Those that it does not get to
// have none.
func keyOrder(g *group, c *candidate, a *ask) Score {
	asked := map[*candidate]bool{}
	s := Score{Unit: "in the key's order"}
	a.ring().walk(g, a.key, func(other *candidate) bool {
		if !a.fits(other) {
			return false
		}
		asked[other] = true
		if other == c {
			s.Value = float64(len(asked))
		}
		return other == c
	})
	return s
}
