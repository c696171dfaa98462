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
		each := p.bound * float64(max(0, p.inflight.Load())+1) / float64(g.weight)
		room := func(c *candidate) bool {
			inflight := float64(c.node.inflight.Load())
			return inflight < hashSpare || inflight < each*float64(c.weight)
		}
		if pl := a.ring().walk(g, &a, room); pl != nil {
			return pl
		}
	}
	return p.keyless.choose(g, a)
}

// granted implements bookkeeper.
func (p *consistentHash) granted(*placement, time.Duration) int64 { p.inflight.Add(1); return 0 }

// returned implements bookkeeper.
func (p *consistentHash) returned(ending) { p.inflight.Add(-1) }

// stuck takes the node that the key belongs to, however busy it is, as long as it is there.
type stuck struct{}

func (p *stuck) choose(g *group, a ask) *placement {
	if pl := a.ring().walk(g, &a, func(*candidate) bool { return true }); pl != nil {
		return pl
	}
	return g.untried(mix(a.key), &a)
}
