package loadgen

import (
	"math"
	"math/bits"
	"time"
)

// A histogram's buckets are as wide as 1/64 of the power of two below them, so that a value is known to 1.6 %; below 64 ns
// each has its own. The last one begins at about 73 minutes.
const (
	subBits    = 6
	subBuckets = 1 << subBits
	buckets    = (42 - subBits + 1) * subBuckets
)

// histogram counts durations.
type histogram struct {
	counts [buckets]uint64
	total  uint64
	sum    time.Duration
	max    time.Duration
}

// bucketOf is the bucket that d falls into.
func bucketOf(d time.Duration) int {
	ns := uint64(max(d, 0))
	if ns < subBuckets {
		return int(ns)
	}
	shift := bits.Len64(ns) - subBits - 1
	return min(shift<<subBits+int(ns>>shift), buckets-1)
}

// lowest is the smallest duration that falls into bucket i.
func lowest(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	return time.Duration(i-shift<<subBits) << shift
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
	h.sum += d
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

func (h *histogram) mean() time.Duration {
	if h.total == 0 {
		return 0
	}
	return h.sum / time.Duration(h.total)
}

// quantile is the duration that a share q of all do not exceed: the upper end of the bucket it lies in.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(h.total)))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(lowest(i+1)-1, h.max)
		}
	}
	return h.max
}

// Bar is one bar of a drawn histogram: how many answers took From or longer, and less than To.
type Bar struct {
	From  time.Duration `json:"from_ns"`
	To    time.Duration `json:"to_ns"`
	Count uint64        `json:"count"`
}

// bars draws the histogram in at most n bars between its ends, each as much wider than the last by the same factor.
func (h *histogram) bars(n int) []Bar {
	if h.total == 0 {
		return nil
	}
	first, last := 0, 0
	for i, c := range h.counts {
		if c > 0 {
			if h.counts[first] == 0 {
				first = i
			}
			last = i
		}
	}
	// Buckets grow by a factor of two every subBuckets, so that equal numbers of them are equal factors.
	width := max((last-first+n)/n, 1)
	var all []Bar
	for i := first; i <= last; i += width {
		end := min(i+width, buckets)
		bar := Bar{From: lowest(i), To: lowest(end)}
		for _, c := range h.counts[i:end] {
			bar.Count += c
		}
		all = append(all, bar)
	}
	return all
}
