package balancer

import (
	"math"
	"math/bits"
	"sync/atomic"
)

const (
	// fieldMost is how many nodes are compared at most: as many as an uint64 has bits, one for each node that is tied. In a
	// larger group a pick looks at a sample.
	fieldMost = 64
	// sampleSize is the size of the sample. Two at random, the usual number, end the worst of queues but not queues: with
	// four fifths of a thousand nodes busy, all of the sample are in 64 of 100 picks if it is two, in 17 if it is eight, in 3 if
	// it is sixteen and in one if it is twenty, which is as much as a p99 can see. Each costs about 13 ns, most of it for
	// memory that is far away.
	sampleSize = 20
)

// sample is a random part of a group. It lives on the stack of a pick.
type sample [sampleSize]candidate

// of returns all nodes of a small group, or a sample of a large one: one of each of sampleSize equal stretches, so that none
// comes twice.
func (s *sample) of(g *group, rand func() uint64) []candidate {
	n := uint64(len(g.nodes))
	if n <= fieldMost {
		return g.nodes
	}
	random := rand()
	for i := range uint64(sampleSize) {
		from, to := i*n/sampleSize, (i+1)*n/sampleSize
		random = mix(random)
		offset, _ := bits.Mul64(random, to-from)
		s[i] = g.nodes[from+offset]
	}
	return s[:]
}

// contest finds the node with the lowest score among up to fieldMost, and of those who share it the one whose turn it is.
type contest struct {
	score, turn uint64
	at          uint64 // its place, plus one; 0 = nobody entered
}

// unbeaten is what everybody is better than.
const unbeaten = math.MaxUint64

// newContest is one that nobody has entered.
func newContest() contest { return contest{score: unbeaten, turn: unbeaten} }

// enter holds the node at place i against the best so far. It does not branch: which of loads that are much alike is the lower, no
// processor can foresee, and to be wrong about it costs more than all the rest.
func (c *contest) enter(i int, n *Node, score uint64) {
	turn := n.turn.Load()
	_, lower := bits.Sub64(turn, c.turn, 0)
	_, lower = bits.Sub64(score, c.score, lower)
	take := -lower // all bits if it is
	c.score ^= (c.score ^ score) & take
	c.turn ^= (c.turn ^ turn) & take
	c.at ^= (c.at ^ uint64(i+1)) & take
}

// winner is the best of the field, nil if nobody entered. An attempt that only looks takes no turn.
func (c *contest) winner(field []candidate, t *turns, a *ask) *placement {
	if c.at == 0 {
		return nil
	}
	best := &field[c.at-1]
	if a.peek == nil && len(field) > 1 {
		t.take(best)
	}
	return best.place
}

// turns decide between nodes with the same score: it is the turn of the node that has had the least for its weight. So light
// traffic, of which all scores are alike, is shared in proportion to weights, whoever is busy with an earlier request meanwhile.
// Chance would do that between equal nodes only; turns that are counted for all together do not, since what is tied depends on who
// got the turns before, and in step with that a node may get nothing at all. And between nodes that are busy turns make regular
// what each gets: in the simulation (bench/sim, equal nodes) least_connections has 1.11 times the p99 of one central queue with
// eight nodes where it had 1.16, and 2.5 times with 64 nodes and 8 gateways where it had 3.3.
//
// A node that was away has had little, and must not get everything now to make up for it. So front moves along with those who
// have their turns, and nobody is more than a turn behind it. It is a turn behind itself, since all cores read it.
type turns struct{ front atomic.Uint64 }

// turnUnit is one turn of a node of weight 1: a 720720th part is one of the largest weight, in steps, within a third of a percent.
const turnUnit = burdenUnit >> 10

// take counts a turn of the candidate. Of two at the same moment one may be lost.
func (t *turns) take(c *candidate) {
	had, front := c.node.turn.Load(), t.front.Load()
	switch {
	case had > front+turnUnit:
		t.front.Store(had)
	case front > had+turnUnit:
		had = t.front.Add(1) - turnUnit // a little more for each, so that of those who are behind the last one is the last again
	}
	c.node.turn.Store(had + c.each>>10)
}

// goldenRatio is the fraction of the golden ratio times 2^64.
const goldenRatio = 0x9E3779B97F4A7C15

// mix makes of numbers that are close to each other numbers that have nothing in common (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += goldenRatio
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
