package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// octave is how far a float64's bits, read as a whole number, grow from a number to twice that number: such bits are a
	// logarithm, straight between powers of two, and cost nothing to compute.
	octave = 1 << 52
	// gain is how far, in octaves, an estimate moves at most for one observation. A larger one follows changes quicker and
	// trembles more: with this one the 95th percentile of times that scatter by a third is off by 7 % (standard deviation),
	// and a tenfold slowdown is caught up with after 66 observations.
	gain = 0.07
	// warmGain is gain until the estimate counts.
	warmGain = 4 * gain
	// bottom is how many observations an estimate begins with the least of. Climbing is quick and falling slow, so that it is
	// better to begin too low than at a first attempt that took long because it was the first.
	bottom = 16
	// beyond is how many observations above the estimate are the least that it may rest on.
	beyond = 5
)

// quantile estimates the time that a given share of observations stays within: of a stream, in two words, without a lock.
//
// Each observation moves the estimate: up by a step if it lies above, down by a smaller one if it does not, so that the two
// balance where the given share lies below. An observation that was broken off is as good as any, as long as it had come
// beyond the estimate: that it lies above is all that matters. The idea is Robbins' and Monro's stochastic approximation, the
// logarithmic steps make it indifferent to the unit: what takes microseconds is followed as well as what takes minutes.
//
// Steps are added, not exchanged: of two that happen at once none is lost, and each was right but for the other.
type quantile struct {
	up, down float64 // steps, as parts of the gain
	enough   uint32  // observations after which the estimate counts

	bits atomic.Int64  // of the estimate in nanoseconds, a float64; 0 = no observation yet
	seen atomic.Uint32 // observations, up to enough
}

// newQuantile estimates the time within which share of the observations stay; share is above 0 and below 1.
func newQuantile(share float64) *quantile {
	enough := math.Ceil(beyond / (1 - share))
	return &quantile{up: share, down: 1 - share, enough: uint32(max(enough, 2*bottom))}
}

// value is the estimate; ok is false as long as it rests on too few observations.
func (q *quantile) value() (d time.Duration, ok bool) {
	return time.Duration(math.Float64frombits(uint64(q.bits.Load()))), q.seen.Load() >= q.enough
}

// exceeds takes the time after which an observation was broken off. It says something only if it lies above the estimate.
func (q *quantile) exceeds(d time.Duration) {
	if estimate, ok := q.value(); ok && d > estimate {
		q.observe(d)
	}
}

// observe takes the time of an observation.
func (q *quantile) observe(d time.Duration) {
	x := int64(math.Float64bits(float64(max(d, 1))))
	seen := q.seen.Load()
	switch {
	case seen < bottom:
		q.seen.Add(1)
		q.sink(x)
		return
	case seen < q.enough:
		q.seen.Add(1)
		q.move(x, warmGain)
	default:
		q.move(x, gain)
	}
}

// move takes one step towards x.
func (q *quantile) move(x int64, gain float64) {
	if x > q.bits.Load() {
		q.bits.Add(int64(q.up * gain * octave))
	} else {
		q.bits.Add(-int64(q.down * gain * octave))
	}
}

// sink makes x the estimate if it is the least so far.
func (q *quantile) sink(x int64) {
	for {
		least := q.bits.Load()
		if (least != 0 && least <= x) || q.bits.CompareAndSwap(least, x) {
			return
		}
	}
}
