package main

import (
	"slices"
	"time"
)

// findings is what a simulation finds out.
type findings struct {
	warmUp    int32 // so many requests at the beginning are not measured: the queues have to fill
	answers   int
	lost      int
	declines  int // attempts that nodes did not take
	heard     int // loads that gateways were told without an answer
	latencies []time.Duration
	herd      herd
	home      home
}

// newFindings leaves out the first tenth of the requests.
func newFindings(s *scenario, requests int) *findings {
	f := &findings{warmUp: int32(requests / 10), latencies: make([]time.Duration, 0, requests)}
	f.herd = newHerd(s)
	f.home.last = make([]int32, subjects)
	return f
}

// over counts the requests that have ended.
func (f *findings) over() int { return f.answers + f.lost }

// finish notes the end of a request.
func (f *findings) finish(request int32, took time.Duration, lost bool) {
	if lost {
		f.lost++
		return
	}
	f.answers++
	if request >= f.warmUp {
		f.latencies = append(f.latencies, took)
	}
}

// picked notes that a gateway sends an attempt to a node.
func (f *findings) picked(now time.Duration, node int32, r *request) {
	f.herd.picked(now, node)
	f.home.picked(node, r.subject)
}

// changed notes that a node has died or is back.
func (f *findings) changed(now time.Duration, n *node) { f.herd.changed(now, n) }

// quantile is the latency that a part q of the requests does not exceed. It sorts the latencies.
func (f *findings) quantile(q float64) time.Duration {
	if len(f.latencies) == 0 {
		return 0
	}
	slices.Sort(f.latencies)
	return f.latencies[min(int(q*float64(len(f.latencies))), len(f.latencies)-1)]
}

// mean is the mean latency.
func (f *findings) mean() time.Duration {
	var sum time.Duration
	for _, l := range f.latencies {
		sum += l
	}
	return sum / time.Duration(max(len(f.latencies), 1))
}

// herd finds the largest share that any node got of all attempts within any window, as a multiple of its fair share: that
// by its speed.
type herd struct {
	speeds  []float64 // of the nodes; 0 = dead
	sum     float64   // of the speeds
	counts  []int
	total   int
	window  int64 // which one the counts are of
	excused int64 // windows up to this one are not counted
	largest float64
}

// herdWindow is the window of the issue.
const herdWindow = 100 * time.Millisecond

// fewest is the fair number of attempts from which on a share is worth looking at: of a node that should get two, one more
// or less says nothing.
const fewest = 8

func newHerd(s *scenario) herd {
	h := herd{speeds: make([]float64, s.nodes), counts: make([]int, s.nodes), excused: 1} // the first ones find the nodes idle
	for i := range h.speeds {
		h.speeds[i] = s.speed(i)
		h.sum += h.speeds[i]
	}
	return h
}

func (h *herd) picked(now time.Duration, node int32) {
	if w := int64(now / herdWindow); w != h.window {
		h.close()
		h.window = w
	}
	h.counts[node]++
	h.total++
}

// close judges the window that is over.
func (h *herd) close() {
	for i, count := range h.counts {
		if fair := h.speeds[i] / h.sum * float64(h.total); h.window > h.excused && fair >= fewest {
			h.largest = max(h.largest, float64(count)/fair)
		}
	}
	clear(h.counts)
	h.total = 0
}

// changed shares out anew, and excuses what happens until the last gateway has noticed.
func (h *herd) changed(now time.Duration, n *node) {
	h.excused = int64((now + 2*time.Second) / herdWindow)
	h.sum -= h.speeds[n.index]
	h.speeds[n.index] = 0
	if n.alive {
		h.speeds[n.index] = n.speed
		h.sum += n.speed
	}
}

// home counts how often a key meets the node that it met last, which is where an answer or a session could be cached.
type home struct {
	last          []int32 // by subject: node + 1
	again, visits int
}

func (h *home) picked(node, subject int32) {
	if last := h.last[subject]; last != 0 {
		h.visits++
		if last == node+1 {
			h.again++
		}
	}
	h.last[subject] = node + 1
}

// share is the part of visits that met the same node as the one before.
func (h *home) share() float64 { return float64(h.again) / float64(max(h.visits, 1)) }
