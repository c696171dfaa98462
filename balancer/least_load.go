package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

// leastLoad takes the node with the least outstanding work for its weight: what this gateway has sent and not heard of, and
// what others have, by the node's own word. Nodes say with each answer how many requests they hold; see [Node.Report]. One
// that says nothing is judged by what this gateway knows, which is least_connections.
//
// Where all weights are equal, the operator has not said which nodes are slow, and the answers do: a request on a node of half
// the pace counts as two.
type leastLoad struct {
	turn    turn
	rand    func() uint64
	typical atomic.Uint64 // pace of the model: nanoseconds, as the bits of a float64
}

// typicalMemory is how many answers, of all nodes, the pool's pace is an average of.
const typicalMemory = 256

func newLeastLoad(m makings) *leastLoad {
	p := &leastLoad{rand: m.rand}
	p.turn.count.Store(m.rand())
	return p
}

func (p *leastLoad) choose(g *group, a ask) *placement {
	var some sample
	field := some.of(g, p.rand)
	best := contest{score: unbeaten}
	for i := range field {
		c := &field[i]
		if !a.fits(c) {
			continue
		}
		inflight := c.node.inflight.Load()
		outstanding := max(0, inflight+c.node.load.foreign(a.now))
		score := c.burden(outstanding)
		if g.even {
			// With the request in question: of two idle nodes the quicker one has it done first.
			score = uint64(outstanding+1) * c.place.pace.now(inflight, a.now)
		}
		best.enter(i, c.weight, score)
	}
	if best.tied == 0 {
		return g.untried(p.rand(), &a) // a sample may hold none
	}
	return best.winner(field, &p.turn)
}

// granted implements bookkeeper.
func (p *leastLoad) granted(pl *placement, now time.Duration) int64 {
	return pl.node.load.foreign(now)
}

// returned implements bookkeeper. What failed or was given up says nothing of the pace.
func (p *leastLoad) returned(e ending) {
	if e.outcome != Success {
		return
	}
	took := float64(max(1, e.now-e.began)) / float64(max(1, e.ahead))
	typical := math.Float64frombits(p.typical.Load())
	if typical == 0 {
		typical = took
	}
	typical += (took - typical) / typicalMemory
	p.typical.Store(math.Float64bits(typical))
	e.place.pace.learn(took, e.now, typical)
}
