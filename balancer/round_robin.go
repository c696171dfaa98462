package balancer

// roundRobin takes the nodes in turn, whatever their weight and load: over any n picks in a row among n nodes that stay
// the same, each node is taken once.
type roundRobin struct{}

func (p *roundRobin) choose(g *group, a ask) *placement {
	n := uint64(len(g.nodes))
	// The turn of a node that was tried passes to whoever is next in line for everybody, not to its neighbour: else the
	// neighbour of a failing node would get all of its retries.
	for range n {
		turn := a.take(g.rotation)
		c := &g.nodes[turn%n]
		if g.takesTurn(c, turn/n) && a.fits(c) {
			return c.place
		}
	}
	// Others took the turns in between. They cannot have all the luck, but waiting for one's own is not worth it.
	return g.untried(a.next(g.rotation), &a)
}

// takesTurn reports whether the node takes its turn in this round: while it starts slowly, in as many rounds as it has steps
// of the steps that others have, spread evenly.
func (g *group) takesTurn(c *candidate, round uint64) bool {
	ramp := uint64(c.ramp)
	return ramp == g.ramp || round%g.ramp*ramp%g.ramp < ramp
}
