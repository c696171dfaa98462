package balancer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestSurprisesAreProbabilities draws sums of surprises by chance alone and counts how many are as large as reckoned.
func TestSurprisesAreProbabilities(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const draws = 100_000
	for _, n := range []int{1, 2, 5, 20, 64} {
		sums := make([]float64, draws)
		for i := range sums {
			for range n {
				sums[i] += rng.ExpFloat64()
			}
		}
		slices.Sort(sums)
		for _, of := range []float64{0.1, 0.01, 0.001} {
			sum := sums[int(draws*(1-of))]
			got := math.Exp(-surpriseOfSum(n, sum))
			if got < of*0.8 || got > of*1.2 {
				t.Errorf("chance that %d surprises come to %.2f = %.5f, drawn: %.5f", n, sum, got, of)
			}
		}
	}
}

func TestFailuresSurpriseNoMoreThanTheyMay(t *testing.T) {
	for _, c := range []struct{ failed, n, p float64 }{{5, 20, 0.05}, {10, 100, 0.01}, {20, 20, 0.5}, {3, 10, 0.1}} {
		exact := 0.0 // P(at least so many)
		for k := c.failed; k <= c.n; k++ {
			a, _ := math.Lgamma(c.n + 1)
			b, _ := math.Lgamma(k + 1)
			d, _ := math.Lgamma(c.n - k + 1)
			exact += math.Exp(a - b - d + k*math.Log(c.p) + (c.n-k)*math.Log(1-c.p))
		}
		got := surpriseOfFailures(c.failed, c.n, c.p)
		if limit := -math.Log(exact); got > limit+1e-9 || got < limit/2 {
			t.Errorf("surprise of %v failures of %v at %v = %.2f, exactly %.2f", c.failed, c.n, c.p, got, limit)
		}
	}
	if got := surpriseOfFailures(1, 100, 0.05); got != 0 {
		t.Errorf("surprise of fewer failures than usual = %v", got)
	}
}

// timings makes n timings that ended in a row, the newest first.
func timings(n int, every time.Duration, took func() time.Duration, queue int64) []timing {
	var ts []timing
	for i := range n {
		latency := took()
		ts = append(ts, newTiming(latency, latency/time.Duration(queue), time.Minute-time.Duration(i)*every))
	}
	return ts
}

func referenced(ts []timing, factor float64) []reference {
	var rs []reference
	for _, t := range ts {
		rs = append(rs, reference{t, allow(factor)})
	}
	return rs
}

func always(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func TestSlowerThanAllowedIsFound(t *testing.T) {
	others := referenced(timings(448, time.Millisecond, always(5*time.Millisecond), 1), 3)
	f := func(took time.Duration, queue int64, certainly bool) {
		t.Helper()
		found := compareAll(timings(6, 50*time.Millisecond, always(took), queue), others, 5)
		if got := found.surprise >= certain; got != certainly {
			t.Errorf("%s with %d at the node is certainly slow = %t (surprise %.1f), want %t", took, queue, got, found.surprise, certainly)
		}
	}
	f(50*time.Millisecond, 1, true)
	f(16*time.Millisecond, 1, true)
	f(14*time.Millisecond, 1, false)
	f(5*time.Millisecond, 1, false)
	f(50*time.Millisecond, 10, false) // a queue of ten, answers as often as all
	f(500*time.Millisecond, 10, true) // a queue of ten, answers ten times more rarely
}

// An idle node answers rarely, however quick it is.
func TestIdleNodesAreNotSlowBesideBusyOnes(t *testing.T) {
	others := referenced(timings(64, time.Millisecond, always(5*time.Millisecond), 8), 3)
	if found := compareAll(timings(64, 10*time.Millisecond, always(5*time.Millisecond), 1), others, 5); found.surprise >= suspicious {
		t.Errorf("surprise = %.1f at equal latencies", found.surprise)
	}
}

func TestSlowSinceAMomentAgoIsFoundBehindManyQuickOnes(t *testing.T) {
	others := referenced(timings(448, 2*time.Millisecond, always(5*time.Millisecond), 1), 3)
	own := append(timings(6, 50*time.Millisecond, always(50*time.Millisecond), 1), timings(58, 5*time.Millisecond, always(5*time.Millisecond), 1)...)
	if found := compareAll(own, others, 5); found.surprise < certain || found.requests != 6 {
		t.Errorf("surprise = %.1f of %d requests, want certainty from the latest 6", found.surprise, found.requests)
	}
}

func TestAllThatBecomeSlowTogetherAreNotOutliers(t *testing.T) {
	own := timings(10, 50*time.Millisecond, always(50*time.Millisecond), 1)
	// The others were quick until a second ago, and are slow like the node since.
	others := timings(70, 7*time.Millisecond, always(50*time.Millisecond), 1)
	for i := range 300 {
		others = append(others, newTiming(5*time.Millisecond, 5*time.Millisecond, 59*time.Second-time.Duration(i)*time.Millisecond))
	}
	if found := compareAll(own, referenced(others, 3), 5); found.surprise >= suspicious {
		t.Errorf("surprise = %.1f", found.surprise)
	}
}

func TestTooFewOthersProveNothing(t *testing.T) {
	others := referenced(timings(referencesLeast-1, time.Millisecond, always(5*time.Millisecond), 1), 3)
	if found := compareAll(timings(64, 50*time.Millisecond, always(time.Second), 1), others, 5); found.surprise > 0 {
		t.Errorf("surprise = %.1f with %d requests to compare with", found.surprise, referencesLeast-1)
	}
}

// compareAll compares every stretch.
func compareAll(own []timing, others []reference, least int) comparison {
	return compare(own, others, func(int) bool { return true }, least)
}
