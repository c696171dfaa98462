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
//
// Of nodes that hold as much, the one that has worked longest on what it is working on will be done first. That is known where
// no other gateway sends work, and where nodes tell, and brings p99 from 1.15 to 1.07 times that of one central queue before eight equal nodes, in the
// simulation (bench/sim). How much is left of a request is a guess, and never makes it count for nothing.
type leastLoad struct {
	turns   *turns
	rand    func() uint64
	typical atomic.Uint64 // pace of the model: nanoseconds, as the bits of a float64
	run     atomic.Int64  // how long one takes of nodes that batch, in ns; 0 = they do not
	batch   atomic.Int64  // the most requests of one
	perNano atomic.Uint64 // what a nanosecond of work is in units of the score, times 2^nanoBits
}

const (
	// paceUnit is how finely the score tells how much of a request is done.
	paceUnit = 1024
	// doneMost of doneWhole are how much of a request at most counts as done. In the simulation twelve to fifteen sixteenths do
	// the same, and a whole request is worse: a node that is late is then taken for idle.
	doneMost, doneWhole = 15, 16
	// nanoBits make a whole number of what a nanosecond of work is worth. Times longWork, the longest work that is told apart, it
	// stays below 2^63.
	nanoBits = 28
	longWork = 30 * time.Second
)

// typicalMemory is how many answers, of all nodes, the pool's pace is an average of.
const typicalMemory = 256

func newLeastLoad(m makings) *leastLoad {
	return &leastLoad{rand: m.rand, turns: m.turns}
}

func (p *leastLoad) choose(g *group, a ask) *placement {
	var some sample
	field := some.of(g, p.rand)
	if p.timely(g, &a) {
		return p.soonest(g, field, &a)
	}
	best := newContest()
	again := a.tried.Len() > 0
	perNano := p.known(g, a.now)
	for i := range field {
		c := &field[i]
		if again && a.tried.Has(c.node) || !c.node.takes(a.worst) { // fits, in line
			continue
		}
		best.enter(i, c.node, p.score(g, c, a.now, perNano))
	}
	if best.at == 0 {
		return g.untried(p.rand(), &a) // a sample may hold none
	}
	return best.winner(field, p.turns, &a)
}

// score is the outstanding work for the node's weight, in burdenUnits, or in units of a request at the pool's pace.
func (p *leastLoad) score(g *group, c *candidate, now time.Duration, perNano uint64) uint64 {
	inflight := c.node.inflight.Load()
	outstanding := max(0, inflight+c.node.load.foreign(now))
	if !g.even {
		return c.burden(outstanding)
	}
	factor := c.place.pace.now(inflight, now)
	// With the request in question: of two idle nodes the quicker one has it done first.
	return uint64(outstanding+1)*factor*paceUnit - c.done(outstanding, factor, now, perNano)
}

// done is how much of what the node works on is probably done, in the units of the score.
func (c *candidate) done(outstanding int64, factor uint64, now time.Duration, perNano uint64) uint64 {
	if outstanding <= 0 || perNano == 0 {
		return 0
	}
	worked := uint64(min(max(0, int64(now)-c.node.turnedAt.Load()), int64(longWork)))
	return min(worked*perNano>>nanoBits, factor*paceUnit*doneMost/doneWhole)
}

// known is how much work a node does in a nanosecond, in units of the score, if it is known since when it works on what it does: 0 if
// others send it work too and it does not say. Nodes of a pool are alike in that, but for the minutes in which they are replaced.
func (p *leastLoad) known(g *group, now time.Duration) uint64 {
	if len(g.nodes) == 0 {
		return 0
	}
	if n := g.nodes[0].node; !n.load.timed.Load() && !n.pool.alone(now) {
		return 0
	}
	return p.perNano.Load()
}

// granted implements bookkeeper.
func (p *leastLoad) granted(pl *placement, now time.Duration) int64 {
	others := pl.node.load.foreign(now)
	if others == 0 && pl.node.inflight.Load() == 1 {
		pl.node.turnedAt.Store(int64(now))
	}
	return others
}

// returned implements bookkeeper. What failed or was given up says nothing of the pace.
func (p *leastLoad) returned(e ending) {
	e.place.node.turnedAt.Store(int64(e.now))
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
	p.perNano.Store(uint64(min(par*paceUnit*(1<<nanoBits)/typical, 1<<nanoBits)))
	e.place.pace.learn(took, e.now, typical)
}

// explain implements scorer.
func (p *leastLoad) explain(g *group, c *candidate, a *ask) Score {
	if p.timely(g, a) {
		return p.explainTimely(c, a)
	}
	perNano := p.known(g, a.now)
	score := float64(p.score(g, c, a.now, perNano))
	s := Score{Value: score / burdenUnit, Unit: "requests"}
	inflight := c.node.inflight.Load()
	s.add("in flight", "%d", inflight)
	others := c.node.load.foreign(a.now)
	if others > 0 {
		s.add("from elsewhere", "%d, heard %s ago", others, round(a.now-time.Duration(c.node.load.othersAt.Load())))
	}
	if !g.even {
		s.addWeight(c)
		return s
	}
	s.Value = score / (par * paceUnit)
	s.add("this one", "1")
	factor := c.place.pace.now(inflight, a.now)
	if factor != par {
		s.add("times slower", "%.1f", float64(factor)/par)
	}
	if done := c.done(max(0, inflight+others), factor, a.now, perNano); done > 0 {
		s.add("done", "%.2f", float64(done)/(par*paceUnit))
	}
	return s
}
