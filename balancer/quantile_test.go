package balancer

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// times are what attempts take, by a seed.
type times func(r *rand.Rand) time.Duration

func lognormal(median time.Duration, spread float64) times {
	return func(r *rand.Rand) time.Duration {
		return time.Duration(float64(median) * math.Exp(spread*r.NormFloat64()))
	}
}

func truth(of times, share float64) time.Duration {
	r := rand.New(rand.NewPCG(9, 9))
	all := make([]time.Duration, 50_000)
	for i := range all {
		all[i] = of(r)
	}
	slices.Sort(all)
	return all[int(share*float64(len(all)))]
}

// within is the share of fresh times that lie within d.
func within(of times, d time.Duration) float64 {
	r := rand.New(rand.NewPCG(8, 8))
	n := 0
	const all = 10_000
	for range all {
		if of(r) <= d {
			n++
		}
	}
	return float64(n) / all
}

// The share that lies below the estimate is the wanted one, whatever the times are like and in whatever unit.
func TestQuantileFindsTheShare(t *testing.T) {
	for name, of := range map[string]times{
		"steady microseconds": lognormal(200*time.Microsecond, 0.1),
		"usual":               lognormal(10*time.Millisecond, 0.3),
		"wild":                lognormal(time.Second, 1),
		"two kinds": func(r *rand.Rand) time.Duration {
			if r.IntN(2) == 0 {
				return lognormal(time.Millisecond, 0.2)(r)
			}
			return lognormal(80*time.Millisecond, 0.2)(r)
		},
		"one in a hundred stalls": func(r *rand.Rand) time.Duration {
			if r.IntN(100) == 0 {
				return lognormal(200*time.Millisecond, 0.2)(r)
			}
			return lognormal(10*time.Millisecond, 0.2)(r)
		},
	} {
		for _, share := range []float64{0.5, 0.9, 0.95, 0.99} {
			if name == "two kinds" && share == 0.5 || name == "one in a hundred stalls" && share == 0.99 {
				continue // between the kinds there is nothing to find
			}
			r := rand.New(rand.NewPCG(1, 2))
			q := newQuantile(share)
			for range 20_000 {
				q.observe(of(r))
			}
			var got float64 // of several moments: the estimate trembles
			for range 20 {
				for range 200 {
					q.observe(of(r))
				}
				d, ok := q.value()
				if !ok {
					t.Fatal("not known after 20000 observations")
				}
				got += within(of, d) / 20
			}
			if math.Abs(got-share) > 0.3*(1-share) {
				d, _ := q.value()
				t.Errorf("%s: %.4f lie within %s, want %v, which is %s", name, got, d, share, truth(of, share))
			}
		}
	}
}

func TestQuantileSaysNothingTooEarly(t *testing.T) {
	for share, least := range map[float64]int{0.5: 32, 0.95: 100, 0.99: 500} {
		q := newQuantile(share)
		for i := range least {
			if d, ok := q.value(); ok {
				t.Fatalf("%v: said to be %s after %d observations, want %d", share, d, i, least)
			}
			q.observe(time.Millisecond)
		}
		if d, ok := q.value(); !ok || d < time.Millisecond/2 || d > 2*time.Millisecond {
			t.Errorf("%v: %s, %t after %d observations of 1ms", share, d, ok, least)
		}
	}
}

// A first attempt that took long, such as one that had to connect, is no reason to wait for long.
func TestQuantileForgetsASlowStart(t *testing.T) {
	q := newQuantile(0.95)
	r := rand.New(rand.NewPCG(1, 2))
	usual := lognormal(10*time.Millisecond, 0.3)
	q.observe(3 * time.Second)
	for range 99 {
		q.observe(usual(r))
	}
	if d, ok := q.value(); !ok || d > 2*truth(usual, 0.95) {
		t.Errorf("%s after 100 observations, the truth is %s", d, truth(usual, 0.95))
	}
}

func TestQuantileFollows(t *testing.T) {
	q := newQuantile(0.95)
	r := rand.New(rand.NewPCG(1, 2))
	feed := func(median time.Duration, n int) time.Duration {
		for range n {
			q.observe(lognormal(median, 0.3)(r))
		}
		d, _ := q.value()
		return d
	}
	feed(10*time.Millisecond, 5000)
	if got, want := feed(100*time.Millisecond, 100), truth(lognormal(100*time.Millisecond, 0.3), 0.95); got < want/2 {
		t.Errorf("%s a hundred observations after a slowdown, want about %s", got, want)
	}
	if got, want := feed(10*time.Millisecond, 2000), truth(lognormal(10*time.Millisecond, 0.3), 0.95); got > 2*want {
		t.Errorf("%s two thousand observations after it, want about %s", got, want)
	}
}

// Attempts that a hedge has ended count with the age that they had: leaving them out would make the estimate fall, and hedges
// more and more.
func TestQuantileWithAttemptsBrokenOff(t *testing.T) {
	of := lognormal(10*time.Millisecond, 0.5)
	r := rand.New(rand.NewPCG(1, 2))
	q := newQuantile(0.95)
	broken, late := 0, 0
	for i := range 50_000 {
		d := of(r)
		if i > 10_000 {
			late++
		}
		estimate, ok := q.value()
		if !ok || d <= estimate {
			q.observe(d)
			continue
		}
		q.exceeds(estimate + time.Microsecond) // when the hedge has won
		if i > 10_000 {
			broken++
		}
	}
	if share := float64(broken) / float64(late); share < 0.04 || share > 0.06 {
		t.Errorf("%.4f of the attempts were broken off, want 0.05", share)
	}
}

// What was broken off early says nothing.
func TestQuantileIgnoresWhatWasBrokenOffEarly(t *testing.T) {
	q := newQuantile(0.95)
	for range 1000 {
		q.observe(10 * time.Millisecond)
	}
	before, _ := q.value()
	for range 1000 {
		q.exceeds(time.Millisecond)
	}
	if after, _ := q.value(); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

func TestQuantileFromAllCores(t *testing.T) {
	of := lognormal(10*time.Millisecond, 0.3)
	q := newQuantile(0.95)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			for range 5000 {
				q.observe(of(r))
				q.value()
			}
		})
	}
	group.Wait()
	if d, _ := q.value(); math.Abs(within(of, d)-0.95) > 0.04 {
		t.Errorf("%.3f lie within %s, want 0.95", within(of, d), d)
	}
	if got := testing.AllocsPerRun(100, func() { q.observe(time.Millisecond) }); got > 0 && !raceEnabled {
		t.Errorf("%v allocations, want none", got)
	}
}

func BenchmarkQuantileObserve(b *testing.B) {
	q := newQuantile(0.95)
	b.RunParallel(func(pb *testing.PB) {
		d := 10 * time.Millisecond
		for pb.Next() {
			q.observe(d)
			d ^= 0xffff
		}
	})
}
