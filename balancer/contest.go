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

// contest finds the lowest score among up to fieldMost nodes, and all who share it.
type contest struct {
	score  uint64
	weight uint64 // of all who share it
	tied   uint64 // a bit for each of them
}

// unbeaten is the score that everybody's is better than.
const unbeaten = math.MaxUint64

// enter holds the node at place i against the best so far. It does not branch: which of loads that are much alike is the lower, no
// processor can foresee, and to be wrong about it costs more than all the rest.
func (c *contest) enter(i int, weight, score uint64) {
	_, lower := bits.Sub64(score, c.score, 0)
	_, higher := bits.Sub64(c.score, score, 0)
	keep, take := lower-1, higher-1 // all bits if it is not lower, and if it is not higher
	c.score = min(c.score, score)
	c.weight = c.weight&keep + weight&take
	c.tied = c.tied&keep | 1<<(i&(fieldMost-1))&take
}

// winner is the best of the field, nil if nobody entered. Those who share the best score take turns in proportion to their
// weights, so that light traffic is shared out instead of all going to the first.
func (c *contest) winner(field []candidate, t *turn, a *ask) *placement {
	if c.tied == 0 {
		return nil
	}
	tied := c.tied
	if tied&(tied-1) != 0 {
		for at := t.next(c.weight, a); ; tied &= tied - 1 {
			w := field[bits.TrailingZeros64(tied)].weight
			if at < w {
				break
			}
			at -= w
		}
	}
	return field[bits.TrailingZeros64(tied)].place
}

// turn counts turns that are shared out in proportion to weights.
type turn struct{ count atomic.Uint64 }

// next returns a number below n. Numbers in a row are spread evenly over the range, and so is every second, every third
// and so on of them: turn times the golden ratio, of which only the fraction counts. A plain turn modulo n would fall in
// step with callers who alternate between two sets of tied nodes, and starve one.
func (t *turn) next(n uint64, a *ask) uint64 {
	high, _ := bits.Mul64((a.take(&t.count)+1)*goldenRatio, n)
	return high
}

// goldenRatio is its fraction times 2^64.
const goldenRatio = 0x9E3779B97F4A7C15

// mix makes of numbers that are close to each other numbers that have nothing in common (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += goldenRatio
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
