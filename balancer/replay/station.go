package replay

import (
	"container/heap"
	"math"
	"slices"
	"time"
)

// station is one model on one node, as far as a trace tells what it was like: so many requests at a time, first come, first
// served, of which each takes its time.
type station struct {
	node, model string
	width       int           // requests at a time
	median      time.Duration // what one takes; 0 = the trace has none that succeeded
	reports     bool          // the node said how busy it is
}

// visit is one attempt at a station that succeeded.
type visit struct {
	decision   int // its index in the trace
	began, end time.Duration
}

// widths are the numbers of requests at a time that are tried, up to the most that were seen together.
var widths = []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256}

// nearlyBest is by how much a smaller width may explain the times worse than the best one and still be believed: of two widths
// that explain the same, the smaller was all that was needed.
const nearlyBest = 1.1

// learn finds out the width, and what each visit took beyond waiting, which is written to works.
//
// A width too small turns the times of requests that really ran together into gaps between their ends, and one too large takes
// waiting for work: either way times differ more than those of the width that was there. So it is the one by which they
// differ least, as a part of their mean.
func (st *station) learn(visits []visit, works []time.Duration) {
	if len(visits) == 0 {
		st.width = 1
		return
	}
	slices.SortStableFunc(visits, func(a, b visit) int { return int(a.began - b.began) })
	most := overlap(visits)
	best, least := most, math.Inf(1)
	var tried []time.Duration
	for _, width := range append(widths, most) {
		if width > most {
			continue
		}
		tried = services(visits, width, tried[:0])
		if v := variation(tried); v*nearlyBest < least {
			best, least = width, v
		}
	}
	st.width = best
	tried = services(visits, best, tried[:0])
	for i, v := range visits {
		works[v.decision] = tried[i]
	}
	slices.Sort(tried)
	st.median = max(1, tried[len(tried)/2])
}

// services is what each visit took after its turn had come, at that width.
func services(visits []visit, width int, into []time.Duration) []time.Duration {
	free := make(moments, 0, width) // when each place is free again
	for _, v := range visits {
		began := v.began
		if len(free) == width {
			began = max(began, free[0])
			free[0] = max(v.end, free[0])
			heap.Fix(&free, 0)
		} else {
			heap.Push(&free, v.end)
		}
		into = append(into, max(0, v.end-began))
	}
	return into
}

// overlap is the most visits that there were at any moment. They are in the order in which they began.
func overlap(visits []visit) int {
	var out moments
	most := 0
	for _, v := range visits {
		for len(out) > 0 && out[0] <= v.began {
			heap.Pop(&out)
		}
		heap.Push(&out, v.end)
		most = max(most, len(out))
	}
	return most
}

// variation is the standard deviation as a part of the mean.
func variation(times []time.Duration) float64 {
	sum, squares := 0.0, 0.0
	for _, t := range times {
		sum += t.Seconds()
		squares += t.Seconds() * t.Seconds()
	}
	n := float64(len(times))
	mean := sum / n
	if mean == 0 {
		return math.Inf(1)
	}
	return math.Sqrt(max(0, squares/n-mean*mean)) / mean
}

// moments is a heap of times, earliest first.
type moments []time.Duration

func (m moments) Len() int           { return len(m) }
func (m moments) Less(i, j int) bool { return m[i] < m[j] }
func (m moments) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }

// Push implements heap.Interface.
func (m *moments) Push(x any) { *m = append(*m, x.(time.Duration)) }

// Pop implements heap.Interface.
func (m *moments) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
