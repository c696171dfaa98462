package balancer

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// lightTraffic sends requests of which so many overlap at all times, and returns which part of them each node got. Of those that are
// under way, next says which one ends.
func lightTraffic(t *testing.T, cfg Config, overlap int, next func(rng *rand.Rand, n int) int) []float64 {
	t.Helper()
	const requests = 4000
	p, h := timed(t, unjudged(cfg))
	rng := rand.New(rand.NewPCG(7, uint64(overlap)))
	shares := make([]float64, len(cfg.Nodes))
	var held []*Lease
	for range requests {
		lease := new(Lease)
		var err error
		if *lease, err = p.common.Pick(Ask{}, nil); err != nil {
			t.Fatal(err)
		}
		shares[lease.Node().index()] += 1.0 / requests
		held = append(held, lease)
		h.advance(time.Duration((0.5 + rng.Float64()) * float64(5*time.Millisecond)))
		if len(held) == overlap {
			i := next(rng, len(held))
			held[i].Done(Success)
			held = append(held[:i], held[i+1:]...)
		}
	}
	return shares
}

// TestLightTrafficIsShared: who gets a request when nearly all are idle does not depend on who is busy with the one before. Where requests
// overtake each other, times differ by so much that least_load takes one node or another for a little slower.
func TestLightTrafficIsShared(t *testing.T) {
	orders := []struct {
		name  string
		stray float64
		next  func(rng *rand.Rand, n int) int
	}{
		{"the oldest ends first", 0.02, func(*rand.Rand, int) int { return 0 }},
		{"any ends first", 0.1, func(rng *rand.Rand, n int) int { return rng.IntN(n) }},
	}
	for _, policy := range []string{LeastLoad, LeastConnections} {
		for _, ws := range [][]int{{1, 1, 1, 1}, {1, 2, 1, 2}, {3, 2, 1, 1, 1}} {
			sum := 0
			for _, w := range ws {
				sum += w
			}
			for overlap := 1; overlap <= 2; overlap++ {
				for _, order := range orders {
					shares := lightTraffic(t, weights(policy, ws...), overlap, order.next)
					for i, w := range ws {
						if want := float64(w) / float64(sum); math.Abs(shares[i]/want-1) > order.stray {
							t.Errorf("%s, weights %v, %d at a time, %s: shares %.3f, want by weight within %.0f%%",
								policy, ws, overlap, order.name, shares, 100*order.stray)
							break
						}
					}
				}
			}
		}
	}
}

// TestNodeThatComesBackNeedNotCatchUp: of light traffic, a node that was away gets its share again and not all that it missed.
func TestNodeThatComesBackNeedNotCatchUp(t *testing.T) {
	for _, policy := range []string{LeastLoad, LeastConnections, PeakEWMA} {
		p := newPool(t, unjudged(equal(policy, 4)), Options{})
		p.mark(2, Down, errGone)
		picks(t, p, 3000)
		p.mark(2, Up, nil)
		if got := picks(t, p, 40); got[2] < 9 || got[2] > 12 {
			t.Errorf("%s: of 40 requests after 3000 that it missed, the node got %d, want its share of 10", policy, got[2])
		}
	}
}
