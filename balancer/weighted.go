package balancer

// weighted takes the nodes in turn, each in proportion to its weight, with the turns of a node spread evenly instead of
// in a row (smooth weighted round robin). Load does not matter to it.
//
// The usual algorithm adds every weight to a running score, takes the highest and subtracts the sum from it, under a
// lock, n steps a pick. This one gets the same from a counter and needs no lock. Nodes are offered slots one after the
// other, round by round. In each round a node gathers its weight, starting with a phase of its own, and takes its slot in
// those rounds in which the sum passes a multiple of the heaviest weight. So the heaviest takes all of its slots, a node
// of half its weight every second one, and whoever passes on a slot costs the picker one more step.
//
// Weights a = 4, b = 2, c = 1; the heaviest is 4 and the phases 0, 4/3 and 8/3, rounded down: 0, 1, 2. A node of weight w
// takes its slot in round r if (r·w + phase) mod 4 ≥ 4 - w:
//
//	round   a: r·4+0 mod 4 ≥ 0   b: r·2+1 mod 4 ≥ 2   c: r·1+2 mod 4 ≥ 3   taken by
//	  0            0 yes                1 no                 2 no          a
//	  1            0 yes                3 yes                3 yes         a b c
//	  2            0 yes                1 no                 0 no          a
//	  3            0 yes                3 yes                1 no          a b
//
// After as many rounds as the heaviest weight, here 4, it starts over, and each node was taken exactly as often as its
// weight says: a 4 times, b 2 times, c once. A pick takes as many steps as the heaviest weight is times the mean weight.
type weighted struct{}

func (p *weighted) choose(g *group, a ask) *placement {
	for {
		from := a.next(g.rotation)
		c, slot := g.slotTaken(from, &a)
		if c == nil {
			return g.untried(a.take(g.rotation), &a) // whoever has most of the slots was tried or is full
		}
		// Slots that are passed on and the one that is taken go in one step: pickers that took them one by one would take
		// each other's, and in step with each other find none for many rounds.
		if a.move(g.rotation, from, slot+1) {
			return c.place
		}
	}
}

// slotTaken is the first slot at or after from that its node takes, and can. Among any n slots in a row is one of the heaviest
// node, which takes it, so two rounds are enough to try; nil = nobody takes one there.
func (g *group) slotTaken(from uint64, a *ask) (*candidate, uint64) {
	n := uint64(len(g.nodes))
	for slot := from; slot < from+2*n; slot++ {
		c := &g.nodes[slot%n]
		if g.takes(c.weight, slot%n, slot/n) && a.fits(c) {
			return c, slot
		}
	}
	return nil, 0
}

// takes reports whether the node of this weight and place takes its slot in this round.
func (g *group) takes(weight, at, round uint64) bool {
	phase := at * g.heaviest / uint64(len(g.nodes))
	return (round%g.heaviest*weight+phase)%g.heaviest >= g.heaviest-weight
}
