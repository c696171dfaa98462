package balancer

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// serveAll has pickers take leases and give back the oldest of all, as nodes do that answer in the order of the questions, and
// counts what each node got in every stretch of so many. Time passes with every pick.
func serveAll(t *testing.T, p *Pool, h *hands, pickers, stretches, stretch int) [][]int {
	t.Helper()
	held := make(chan *Lease, 48)
	counts := make([][]int, stretches)
	for s := range counts {
		var mu sync.Mutex
		counts[s] = make([]int, len(p.Members()))
		var workers sync.WaitGroup
		for seed := range pickers {
			workers.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(seed), uint64(s)))
				for range stretch / pickers {
					lease, err := p.Model("").Pick(Ask{Key: 1 + rng.Uint64()}, nil)
					if err != nil {
						t.Error(err)
						return
					}
					h.advance(time.Millisecond)
					mu.Lock()
					counts[s][lease.Node().index()]++
					if len(held) == cap(held) {
						(<-held).Done(Success)
					}
					held <- &lease
					mu.Unlock()
				}
			})
		}
		workers.Wait()
	}
	for len(held) > 0 {
		(<-held).Done(Success)
	}
	return counts
}

// fairness is what a policy promises among nodes that are equally quick.
type fairness struct {
	stray float64 // by how much of its share a node may miss it over many picks
	least float64 // of its share that a node gets in any second
}

// promises: turns are exact but for pickers that meet. Comparing is as exact as there are steps between loads, of which four
// leases for each unit of weight make few. The ring gives whoever has the points. What peak_ewma gives follows latencies, of
// which a single odd one costs a share for seconds: it promises that nobody is forgotten.
var promises = map[string]fairness{
	RoundRobin: {0.01, 0.8}, Weighted: {0.01, 0.8}, LeastConnections: {0.25, 0.25}, LeastLoad: {0.25, 0.25}, ConsistentHash: {0.35, 0.25},
	PeakEWMA: {math.Inf(1), 0.001},
}

// TestSharesMatchWeightsAndNobodyStarves: over many picks by many pickers each node gets what its weight says, and in no stretch
// of them does anybody get next to nothing.
func TestSharesMatchWeightsAndNobodyStarves(t *testing.T) {
	const stretches, stretch = 10, 1200
	for policy, promise := range promises {
		for _, ws := range [][]int{{1, 1, 1, 1}, {4, 1, 1, 4, 2}} {
			p, h := timed(t, weights(policy, ws...))
			sum := 0
			for _, w := range ws {
				sum += w
			}
			totals := make([]int, len(ws))
			for _, got := range serveAll(t, p, h, 4, stretches, stretch) {
				for i, n := range got {
					totals[i] += n
					if share := shareOf(policy, ws, i, sum); float64(n) < promise.least*share*stretch {
						t.Errorf("%s, weights %v: node %d got %d of %d picks in a row, its share is %.0f", policy, ws, i, n, stretch, share*stretch)
					}
				}
			}
			for i, n := range totals {
				want := shareOf(policy, ws, i, sum) * stretches * stretch
				if off := float64(n)/want - 1; math.Abs(off) > promise.stray {
					t.Errorf("%s, weights %v: node %d got %d picks, want %.0f give or take %.0f%%", policy, ws, i, n, want, 100*promise.stray)
				}
			}
		}
	}
}

// shareOf is what part of the picks a node should get. Turns in a circle know no weights.
func shareOf(policy string, ws []int, i, sum int) float64 {
	if policy == RoundRobin {
		return 1 / float64(len(ws))
	}
	return float64(ws[i]) / float64(sum)
}
