package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

// pace is how long a node takes for each request that it holds, next to the other nodes. A node that answers after 50 ms with
// ten requests in front of it keeps the same pace as one that answers after 5 ms with none, so that, unlike a latency, a pace
// is not worse for being busy.
type pace struct {
	each   atomic.Uint64 // nanoseconds a request, the average, as the bits of a float64
	known  atomic.Int64  // answers that it is an average of, up to paceMemory
	at     atomic.Int64  // when a silence began: with the last of them, by the pool's clock, or earlier
	factor atomic.Uint64 // how many times the pool's pace, in units of 1/par; never below 1
}

const (
	// par is the factor of a node that is not slow. Quick ones get no bonus: when others are slow, they need none.
	par = 16
	// paceMemory is how many answers an average is of. With requests as different as the intervals of a random arrival it
	// strays by an eighth.
	paceMemory = 32
	// paceEnough is how many answers there must be before a node is called slow.
	paceEnough = 16
	// paceAfresh is how much of the average an answer becomes that follows a silence: one in so many.
	paceAfresh = 3
	// slow is beyond what counts as par: more than twice what an average strays by. Between nodes that are equal nothing but the
	// load must decide. Among nodes half of which are twice as slow, a slow one takes 1.5 times as long as the average, which with 1.4
	// was found and forgotten again, as chance would have it.
	slow = 1.3
	// oddMost is how many times the pool's pace an answer counts as at most. A hundred times tell of a pause, of a collector or a
	// scheduler, and not of a pace: one of them would make the node four times as slow, and have it avoided for seconds after it was
	// over. A node that stays slower than that is ejected.
	oddMost = 8
	// mostFactor is for a pool whose pace has become much quicker since: scores stay far from where they overflow.
	mostFactor = par * 64
	// paceSilence is how long a slow node is left alone. Then it gets an attempt, to find out whether it still is.
	paceSilence = time.Second
)

// now is the factor by which the node's load counts, when it has so many requests in flight.
func (c *pace) now(inflight int64, now time.Duration) uint64 {
	factor := c.factor.Load()
	if factor > par && inflight == 0 && int64(now)-c.at.Load() >= int64(paceSilence) {
		return par
	}
	return factor
}

// learn takes in an answer after that long for each request. typical is the pace of the pool.
func (c *pace) learn(took float64, now time.Duration, typical float64) {
	took = min(took, oddMost*typical)
	known := min(c.known.Load()+1, paceMemory)
	weight := 1 / float64(known)
	silent := int64(now)-c.at.Load() >= int64(paceSilence)
	if silent {
		weight = max(weight, 1.0/paceAfresh)
	}
	each := math.Float64frombits(c.each.Load())
	each += (took - each) * weight
	// Two answers at the same moment may lose one of the two, which an average does not feel.
	c.each.Store(math.Float64bits(each))
	if c.known.Load() != known {
		c.known.Store(known)
	}
	factor := uint64(par)
	if ratio := each / typical; known >= paceEnough && ratio > slow {
		factor = uint64(min(ratio*par, mostFactor))
	}
	if c.factor.Load() != factor {
		c.factor.Store(factor)
	}
	if silent && factor > par && took <= slow*typical {
		// It may be well again. It gets the next attempt at once, alone, until one says otherwise: at one a second it would take
		// eight seconds until a node that was ten times as slow counts for what it is.
		c.at.Store(int64(now - paceSilence))
		return
	}
	c.at.Store(int64(now))
}
