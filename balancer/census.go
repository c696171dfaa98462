package balancer

// census counts the answers of all placements of a model by how long they took, coarsely. Whether a placement stands out can be
// told from it for all of them at little cost; who does is then compared with the others one by one.
type census struct {
	latencies, gaps [censusBuckets]int32 // answers that took so long or longer
	answers         int
}

const (
	// censusShift makes buckets of a sixteenth of a doubling, 4 %.
	censusShift   = 6
	censusBuckets = 1 << (16 - censusShift)
)

func (c *census) add(t timing) {
	c.latencies[t.latency>>censusShift]++
	c.gaps[t.gap>>censusShift]++
	c.answers++
}

// fill makes it a census of these alone.
func (c *census) fill(timings []timing) {
	*c = census{}
	for _, t := range timings {
		c.add(t)
	}
	if len(timings) > 0 {
		c.settle()
	}
}

// settle ends the adding.
func (c *census) settle() {
	for i := censusBuckets - 2; i >= 0; i-- {
		c.latencies[i] += c.latencies[i+1]
		c.gaps[i] += c.gaps[i+1]
	}
}

// surprises writes into sums what the newest answers of a placement come to, which are own, and of which self is the census, beside
// those that c has counted of all: sums[n] is that of n+1 answers.
func (c *census) surprises(self *census, own []timing, allow allowance, sums []float64) {
	sum, others := 0.0, max(0, c.answers-self.answers)
	for i, t := range own {
		latency, gap := lessened(t.latency, allow.latency)>>censusShift, lessened(t.gap, allow.gap)>>censusShift
		asSlow := max(c.latencies[latency]-self.latencies[latency], c.gaps[gap]-self.gaps[gap], 0)
		sum += surpriseOfRank(min(int(asSlow), others), others)
		sums[i] = sum
	}
}

// lessened is the time divided by a ratio.
func lessened(t, ratio logTime) logTime { return t - min(t, ratio) }
