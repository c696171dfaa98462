package balancer

import "slices"

// comparison is how the requests of one placement compare with those of the others at the same time.
type comparison struct {
	requests int     // of the placement that were looked at
	surprise float64 // how unlikely it is that the node is no slower than allowed, as a negative logarithm

	latency, othersLatency logTime // medians
}

// reference is a request of another node, and how many times as long as it one may take that is compared with it.
type reference struct {
	timing
	allow allowance
}

// referencesLeast is how many requests of others there must be. With fewer, their slowest says nothing of what is usual.
const referencesLeast = 8

// stretches are the numbers of latest answers that are looked at. Every stretch is judged by itself: a node that has become slow
// is found by its slow answers, however many quick ones it had before.
var stretches = [...]int{1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64, 96, timingsKept}

// compare finds the stretch of own answers, the newest first, that is the least likely by chance, among those of least answers
// and more that promise to be.
//
// An answer is slow if it took long and came long after the one before (its gap). By latency alone, a node with a queue would
// be taken for a slow one, and a single long request would make slow ones of all that wait behind it. By gaps alone, a node with
// little to do would, beside busy ones that work on several requests at once. Whichever is less surprising counts. Gaps do not
// overlap, so that they are separate events, as the reckoning wants them. And ranks are compared, not times: one request may take
// as long as it likes.
func compare(own []timing, others []reference, promising func(n int) bool, least int) comparison {
	var found comparison
	for _, n := range stretches {
		if n > len(own) {
			break
		}
		if n < least || !promising(n) {
			continue
		}
		if c, ok := compareStretch(own[:n], others); ok && c.surprise > found.surprise {
			found = c
		}
	}
	return found
}

// compareStretch compares all of own with what the others have answered since the oldest of own began: when all nodes become slow
// at once, none of them is an outlier.
func compareStretch(own []timing, others []reference) (c comparison, ok bool) {
	oldest := own[len(own)-1]
	since := oldest.at - tickOf(oldest.latency.duration())
	recent := 0
	for i := range others {
		if others[i].since(since) {
			recent++
		}
	}
	if recent < max(referencesLeast, len(own)/2) {
		return comparison{}, false
	}
	sum := 0.0
	for _, s := range own {
		longer, later := 0, 0
		for i := range others {
			if r := &others[i]; r.since(since) {
				longer += oneIf(uint32(r.latency)+uint32(r.allow.latency) >= uint32(s.latency))
				later += oneIf(uint32(r.gap)+uint32(r.allow.gap) >= uint32(s.gap))
			}
		}
		sum += surpriseOfRank(max(longer, later), recent)
	}
	c = comparison{requests: len(own), surprise: surpriseOfSum(len(own), sum)}
	return c, true
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// medians fills in what people want to know of the comparison.
func (c *comparison) medians(own []timing, others []reference) {
	times := make([]logTime, 0, max(len(own), len(others)))
	for _, s := range own[:c.requests] {
		times = append(times, s.latency)
	}
	c.latency = median(times)
	times = times[:0]
	for i := range others {
		times = append(times, others[i].latency)
	}
	c.othersLatency = median(times)
}

// median sorts times; of none it is 0.
func median(times []logTime) logTime {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// lowerMedian is the median, of two the lower.
func lowerMedian(times []logTime) logTime {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[(len(times)-1)/2]
}
