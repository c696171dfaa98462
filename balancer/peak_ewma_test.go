package balancer

import (
	"math/rand/v2"
	"testing"
	"time"
)

// serve lets a pool make attempts one at a time, which take as long as their node takes, and counts them.
func serve(t testing.TB, p *Pool, h *hands, takes []time.Duration, attempts int) []int {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 3))
	counts := make([]int, len(takes))
	for range attempts {
		lease, err := p.Model("").Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := lease.Node().index()
		h.advance(time.Duration(float64(takes[i]) * (0.9 + 0.2*rng.Float64())))
		counts[i]++
		lease.Done(Success)
	}
	return counts
}

func TestPeakEWMAAvoidsTheSlowButAsksThemAgain(t *testing.T) {
	p, h := timed(t, unjudged(equal(PeakEWMA, 5)))
	const quick, slow = 5 * time.Millisecond, 200 * time.Millisecond
	takes := []time.Duration{quick, quick, slow, quick, quick}
	got := serve(t, p, h, takes, 2000) // at least ten seconds
	if got[2] < 5 || got[2] > 40 {
		t.Errorf("attempts = %v, want about one a second for the slow node", got)
	}
	takes[2] = quick
	if got := serve(t, p, h, takes, 2000); got[2] < 200 {
		t.Errorf("attempts = %v, want the node that has recovered to have a share", got)
	}
}

// TestPeakEWMANoticesTheFirstPeak: the first slow answer is enough.
func TestPeakEWMANoticesTheFirstPeak(t *testing.T) {
	p, h := timed(t, equal(PeakEWMA, 4))
	takes := []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond}
	serve(t, p, h, takes, 400)
	takes[1] = 50 * time.Millisecond
	if got := serve(t, p, h, takes, 300); got[1] != 1 {
		t.Errorf("attempts = %v in 0.35 s, want one of the node that became slow", got)
	}
}

func TestPeakEWMAStarvesNobodyAmongEquals(t *testing.T) {
	p, h := timed(t, unjudged(equal(PeakEWMA, 5)))
	ms := time.Millisecond
	for i, n := range serve(t, p, h, []time.Duration{ms, ms, ms, ms, ms}, 10_000) {
		if n < 500 {
			t.Errorf("node %d got %d of 10000 attempts, want more than a quarter of its share", i, n)
		}
	}
}

// TestPeakEWMADoesNotFallForFastFailures: a node that fails at once must not look quick.
func TestPeakEWMADoesNotFallForFastFailures(t *testing.T) {
	cfg := equal(PeakEWMA, 3)
	cfg.Breaker.ConsecutiveFailures, cfg.Breaker.FailurePercent = 0, 0
	p, h := timed(t, cfg)
	ms := time.Millisecond
	serve(t, p, h, []time.Duration{5 * ms, 5 * ms, 5 * ms}, 300)
	failed := 0
	for range 3000 {
		lease, err := p.Model("").Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if lease.Node().index() == 0 {
			h.advance(10 * time.Microsecond)
			lease.Done(Failure)
			failed++
			continue
		}
		h.advance(5 * ms)
		lease.Done(Success)
	}
	if failed > 1200 {
		t.Errorf("%d of 3000 attempts went to the node that fails at once, want no more than its share", failed)
	}
}
