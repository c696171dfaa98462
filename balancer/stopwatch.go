package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

// stopwatch times the answers of one placement. Whoever has a lease on it may write, judgements read, none of them waits.
type stopwatch struct {
	last  atomic.Int64               // when the last answer was timed, by the pool's clock
	taken atomic.Uint64              // timings so far
	ring  [timingsKept]atomic.Uint64 // timings, packed; the newest at taken-1
	usual atomic.Uint64              // the average of the timings, packed as one

	// One of the requests under way is followed, so that it is known how old they are: the next is the first that is sent
	// after the last has ended. Who follows it has the token.
	following atomic.Bool
	sent      atomic.Int64 // the one that is followed, or the last one that was
}

const (
	// timingsKept is how many timings of a placement are kept. With two nodes they are all that one is compared with: six
	// slow requests in a row are then as good as certain; with eight nodes it takes four.
	timingsKept = 128
	// usualMemory is how many timings the average is of, about.
	usualMemory = 16
	// together is the part of its latency by which an answer may follow another one to count as the same event: that of a
	// batch, which is answered at once and must not look like many quick answers.
	together = 1.0 / 64
)

// timing is one timed request. Times are logarithms: differences of them are ratios.
type timing struct {
	at      uint32  // when it ended, in units of timingTick
	latency logTime // from the pick to the end
	gap     logTime // from the answer before, or from the pick if that was later, to the end
}

// timingTick is the base-2 logarithm in nanoseconds of the unit in which the end of a timing is kept: about 4 ms. 32 bits of
// it last for half a year, after which differences of two are still right.
const timingTick = 22

func tickOf(now time.Duration) uint32 { return uint32(now >> timingTick) }

// logTime is the base-2 logarithm of nanoseconds, in units of 1/1024: it holds all that a Duration does, within 0.07 %.
type logTime uint16

// logUnit is the logarithm of two.
const logUnit = 1024

func logOf(d time.Duration) logTime { return logTime(math.Log2(float64(max(1, d))) * logUnit) }

// logRatio is the logarithm of a ratio of at least 1.
func logRatio(ratio float64) logTime { return logTime(math.Log2(ratio) * logUnit) }

// duration is the time that it is the logarithm of.
func (l logTime) duration() time.Duration { return time.Duration(math.Exp2(float64(l) / logUnit)) }

// newTiming is what an answer says that ends now.
func newTiming(latency, gap, now time.Duration) timing {
	return timing{at: tickOf(now), latency: logOf(latency), gap: logOf(gap)}
}

// beyond reports whether both times are more than allowed for the usual ones.
func (t timing) beyond(usual timing, allow allowance) bool {
	return uint32(t.latency) > uint32(usual.latency)+uint32(allow.latency) && uint32(t.gap) > uint32(usual.gap)+uint32(allow.gap)
}

// allowance is how many times as long as on another node a request may take, as logarithms.
type allowance struct{ latency, gap logTime }

// allow is the allowance for a ratio of latencies. Gaps differ less than latencies do where nodes work on several requests at once and
// each gets as many, as in turns: a slow node is then busier than the others, and would be excused for that. It is excused for
// less: of 3 it is 2.3, which still is more than what honest hardware differs by.
func allow(ratio float64) allowance {
	return allowance{latency: logRatio(ratio), gap: logRatio(math.Pow(ratio, 0.75))}
}

// since reports whether it ended at that tick or later.
func (t timing) since(tick uint32) bool { return int32(t.at-tick) >= 0 }

func (t timing) packed() uint64 { return uint64(t.at)<<32 | uint64(t.latency)<<16 | uint64(t.gap) }

func unpacked(w uint64) timing {
	return timing{at: uint32(w >> 32), latency: logTime(w >> 16), gap: logTime(w)}
}

// follow takes the token for the request that is about to be sent; false = another one is followed.
func (w *stopwatch) follow(now time.Duration) bool {
	if w.following.Load() || !w.following.CompareAndSwap(false, true) {
		return false
	}
	w.sent.Store(int64(now))
	return true
}

// answered takes in an answer to a request that was sent at that time.
func (w *stopwatch) answered(sent, now time.Duration) {
	latency, gap := now-sent, now-max(sent, time.Duration(w.last.Load()))
	if float64(gap) < together*float64(latency) {
		return
	}
	w.last.Store(int64(now))
	n := w.taken.Add(1) - 1
	t := newTiming(latency, gap, now)
	w.ring[n%timingsKept].Store(t.packed())
	w.usual.Store(t.mixedInto(unpacked(w.usual.Load()), n).packed()) // of two at the same moment one may be lost
}

// open is what can be said of the request that is followed: it takes that long at least. ok = there is one.
func (w *stopwatch) open(now time.Duration) (t timing, ok bool) {
	if !w.following.Load() {
		return timing{}, false
	}
	sent := time.Duration(w.sent.Load())
	return newTiming(now-sent, now-max(sent, time.Duration(w.last.Load())), now), true
}

// mixedInto is the average of n timings with t as one more.
func (t timing) mixedInto(average timing, n uint64) timing {
	of := int(min(n+1, usualMemory))
	mix := func(was, is logTime) logTime { return logTime(int(was) + (int(is)-int(was))/of) }
	return timing{at: t.at, latency: mix(average.latency, t.latency), gap: mix(average.gap, t.gap)}
}

// typical is the average of the latest timings; ok = there are any, and one since that tick.
func (w *stopwatch) typical(since uint32) (t timing, ok bool) {
	if w.taken.Load() == 0 {
		return timing{}, false
	}
	t = unpacked(w.usual.Load())
	return t, t.since(since)
}

// newest appends the request that is followed, if there is one, and the last few answers.
func (w *stopwatch) newest(dst []timing, now time.Duration) []timing {
	if t, ok := w.open(now); ok {
		dst = append(dst, t)
	}
	taken := w.taken.Load()
	for i := range min(taken, newestFew) {
		dst = append(dst, unpacked(w.ring[(taken-1-i)%timingsKept].Load()))
	}
	return dst
}

// newestFew is how many answers are looked at before anybody looks closer: as many as may come between two slow ones.
const newestFew = 4

// appendSince appends the timings that ended at that tick or later, the newest first.
func (w *stopwatch) appendSince(dst []timing, since uint32) []timing {
	taken := w.taken.Load()
	for i := range min(taken, timingsKept) {
		t := unpacked(w.ring[(taken-1-i)%timingsKept].Load())
		if !t.since(since) {
			break
		}
		dst = append(dst, t)
	}
	return dst
}

// forget drops all timings.
func (w *stopwatch) forget() {
	w.taken.Store(0)
	w.usual.Store(0)
}
