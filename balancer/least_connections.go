package balancer

// leastConnections takes the node with the fewest leases in flight for its weight. It looks at every node of a group of
// the usual size, and at a sample of a large one.
type leastConnections struct {
	turns *turns
	rand  func() uint64
}

func newLeastConnections(m makings) *leastConnections {
	return &leastConnections{rand: m.rand, turns: m.turns}
}

func (p *leastConnections) choose(g *group, a ask) *placement {
	var some sample
	field := some.of(g, p.rand)
	best := newContest()
	again := a.tried.Len() > 0
	for i := range field {
		c := &field[i]
		if again && a.tried.Has(c.node) || !c.node.takes(a.worst) { // fits, in line
			continue
		}
		best.enter(i, c.node, p.score(c))
	}
	if best.at == 0 {
		return g.untried(p.rand(), &a) // a sample may hold none
	}
	return best.winner(field, p.turns, &a)
}

// score is what is in flight, for the node's weight.
func (p *leastConnections) score(c *candidate) uint64 { return c.burden(c.node.inflight.Load()) }

// explain implements scorer.
func (p *leastConnections) explain(_ *group, c *candidate, _ *ask) Score {
	s := Score{Value: float64(p.score(c)) / burdenUnit, Unit: "requests"}
	s.add("in flight", "%d", c.node.inflight.Load())
	s.addWeight(c)
	return s
}

// burdenUnit makes one lease on a node of weight w a whole number for weights up to 16, so that two on a node of weight 2
// are as much as one on a node of weight 1. Times the leases that fit into memory it is below 2^63.
const burdenUnit = 720720 << 10 // the smallest number that 1 to 16 divide, and steps for weights that do not

// burden is what that many requests are to a node of the candidate's weight.
func (c *candidate) burden(requests int64) uint64 { return uint64(max(0, requests)) * c.each }
