package balancer

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

// newShareBreaker is a breaker of its own, with the clock of its pool.
func newShareBreaker(t *testing.T, change func(*BreakerConfig)) (*breaker, *Pool) {
	cfg := equal(RoundRobin, 1)
	change(&cfg.Breaker)
	p := newPool(t, cfg, Options{})
	return p.newBreaker(cfg.Breaker.setback()), p
}

// hear reports attempts through a closed circuit that were leased and end now.
func (b *breaker) hear(o Outcome, times int) {
	for range times {
		b.record(b.mirror.Load(), o, b.now())
	}
}

func shareOnly(c *BreakerConfig) { c.ConsecutiveFailures = 0 }
func rowOnly(c *BreakerConfig)   { c.FailurePercent = 0 }

// TestShareCountsSuccessesBeforeTheFirstFailure is a node that answers two hundred requests a moment before a tenth of that fails.
func TestShareCountsSuccessesBeforeTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newShareBreaker(t, shareOnly)
		b.hear(Success, 200)
		time.Sleep(5 * time.Second) // half a window
		if b.hear(Failure, 199); b.circuit() != Closed {
			t.Fatal("open at 199 failures of 399")
		}
		if b.hear(Failure, 1); b.circuit() != Open {
			t.Error("closed at 200 failures of 400")
		}
	})
}

func TestShareForgetsSuccessesOlderThanTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := newShareBreaker(t, shareOnly)
		b.hear(Success, 1000)
		time.Sleep(p.cfg.Breaker.Window)
		if b.hear(Failure, 19); b.circuit() != Closed {
			t.Fatal("open below the minimum of requests")
		}
		if b.hear(Failure, 1); b.circuit() != Open {
			t.Error("closed at 20 failures of 20 within the window")
		}
	})
}

func TestShareBeginsAnewWhenTheCircuitCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := newShareBreaker(t, shareOnly)
		b.hear(Success, 100)
		b.hear(Failure, 100)
		time.Sleep(longestOpen(p.cfg, 1)) // far less than the window
		b.endTrial(b.tryTrial(p.now()), Success)
		if b.hear(Failure, 19); b.circuit() != Closed {
			t.Fatalf("circuit is %s below the minimum of requests", b.circuit())
		}
		if b.hear(Failure, 1); b.circuit() != Open {
			t.Error("closed: successes from before the circuit opened still count")
		}
	})
}

// TestShareGoesByTheClockOfTheFailures has a pool whose own clock is another one, as in simulations: failures age by time.Now, so
// successes must.
func TestShareGoesByTheClockOfTheFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := equal(RoundRobin, 1)
		shareOnly(&cfg.Breaker)
		p, h := timed(t, cfg)
		report := func(o Outcome, times int) {
			for range times {
				attempt(t, p, o)
			}
		}
		report(Success, 100)
		h.advance(time.Hour)
		report(Success, 100)
		if report(Failure, 199); p.Members()[0].Circuit() != Closed {
			t.Fatal("open at 199 failures of 399 at the same moment")
		}
		time.Sleep(cfg.Breaker.Window)
		if report(Failure, 20); p.Members()[0].Circuit() != Open {
			t.Error("closed at 20 failures of 20 within the window")
		}
	})
}

// TestBreakerIsGobreakerThatHearsEverything leads a breaker and a gobreaker beside it through the same, whatever it is: the one that
// is told of few successes must do what the one does that is told of all.
func TestBreakerIsGobreakerThatHearsEverything(t *testing.T) {
	opened := 0
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 5))
			b, p := newShareBreaker(t, func(c *BreakerConfig) {
				c.ConsecutiveFailures, c.FailurePercent, c.MinRequests = rng.IntN(6), float64(10*rng.IntN(8)), 1+rng.IntN(30)
				c.Window = time.Duration(100+rng.IntN(100)) * time.Millisecond
			})
			all := hearsEverything(p.cfg.Breaker)
			pauses := []time.Duration{0, 0, 0, 1, 3 * time.Millisecond, p.cfg.Breaker.Window / 10, p.cfg.Breaker.Window / 3, p.cfg.Breaker.Window}
			for step := range 3000 {
				time.Sleep(pauses[rng.IntN(len(pauses))])
				o := Success
				if rng.IntN(100) < 10*int(1+seed%6) {
					o = Failure
				}
				if b.circuit() == Closed {
					b.hear(o, 1)
				} else {
					time.Sleep(longestOpen(p.cfg, setbackSteps))
					b.endTrial(b.tryTrial(p.now()), o)
				}
				_, _ = all.Execute(func() (struct{}, error) { return struct{}{}, o.verdict() })
				if ours, its := b.circuit() == Closed, all.State() == gobreaker.StateClosed; ours != its {
					t.Fatalf("seed %d, step %d: closed is %t after a %s, and of one that hears everything %t; %+v", seed, step, ours, o, its, p.cfg.Breaker)
				}
				if b.circuit() != Closed {
					opened++
				}
			}
		})
		if t.Failed() {
			return
		}
	}
	if opened < 1000 {
		t.Errorf("circuits were seen open %d times: nothing was compared", opened)
	}
}

// hearsEverything is a gobreaker by the rules as they are documented.
func hearsEverything(c BreakerConfig) *gobreaker.CircuitBreaker[struct{}] {
	return gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1, Interval: c.Window, BucketPeriod: c.Window / 10, Timeout: 1,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			row := c.ConsecutiveFailures > 0 && int(n.ConsecutiveFailures) >= c.ConsecutiveFailures
			decided := float64(n.TotalSuccesses + n.TotalFailures)
			return row || c.FailurePercent > 0 && decided >= float64(c.MinRequests) && 100*float64(n.TotalFailures) >= c.FailurePercent*decided
		},
	})
}

// TestShareIsExactAfterParallelSuccesses loses none of the successes that many report at once.
func TestShareIsExactAfterParallelSuccesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newShareBreaker(t, shareOnly)
		inParallel(4, func(int) { b.hear(Success, 1000) })
		if b.hear(Failure, 3999); b.circuit() != Closed {
			t.Fatal("open at 3999 failures of 7999")
		}
		if b.hear(Failure, 1); b.circuit() != Open {
			t.Error("closed at 4000 failures of 8000")
		}
	})
}

// TestParallelSuccessesTurnBucketsOver has reporters that come to each new bucket of the window at the same moment.
func TestParallelSuccessesTurnBucketsOver(t *testing.T) {
	const workers, buckets = 2, 5000
	w := window{bucket: 100}
	w.restart(0)
	var arrived atomic.Int64
	together := func(n int64) {
		for arrived.Add(1); arrived.Load() < n*workers; {
			runtime.Gosched()
		}
	}
	inParallel(workers, func(worker int) {
		for i := range int64(buckets) {
			together(2*i + 1)
			now := time.Duration(i) * w.bucket
			w.add(now)
			together(2*i + 2) // everybody has added, and nobody goes on before it is looked at
			if got, want := w.count(now), workers*min(i+1, breakerBuckets); worker == 0 && got != want {
				t.Errorf("bucket %d: %d counted in the window, want %d", i, got, want)
			}
		}
	})
}

// TestSuccessInBetweenBreaksTheRowInParallel has reporters of which each fails and succeeds in turn: as many failures as there are
// reporters may come in a row, but not one more.
func TestSuccessInBetweenBreaksTheRowInParallel(t *testing.T) {
	const workers = 4
	b, _ := newShareBreaker(t, func(c *BreakerConfig) { rowOnly(c); c.ConsecutiveFailures = workers + 1 })
	inParallel(workers, func(int) {
		for range 5000 {
			b.hear(Failure, 1)
			b.hear(Success, 1)
		}
	})
	if b.circuit() != Closed {
		t.Fatalf("circuit is %s after at most %d failures in a row", b.circuit(), workers)
	}
	if b.hear(Failure, workers+1); b.circuit() != Open {
		t.Error("closed after one more")
	}
}

// TestRowIsKnownWhileItsEndIsOnTheWay is the order that the test before this one needs, which chance seldom puts to the test: what
// is on its way to gobreaker has not happened yet for all others.
func TestRowIsKnownWhileItsEndIsOnTheWay(t *testing.T) {
	b, _ := newShareBreaker(t, rowOnly)
	put := b.closed
	b.closed[0] = func() (struct{}, error) {
		if _, stands := b.row.stands(); stands {
			t.Error("a failure on its way already wants to be broken: a success would come to gobreaker before it, and none after it")
		}
		return put[0]()
	}
	b.closed[1] = func() (struct{}, error) {
		if _, stands := b.row.stands(); !stands {
			t.Error("a success on its way has already broken the row: others that end meanwhile would rely on it")
		}
		return put[1]()
	}
	b.hear(Failure, 1)
	b.hear(Success, 2)
	if got := b.gobreaker.Counts().Requests; got != 2 {
		t.Errorf("%d outcomes were put to gobreaker, want the failure and the first success", got)
	}
}

// TestParallelReportersOpenTheCircuit mixes everything while nobody waits for anybody.
func TestParallelReportersOpenTheCircuit(t *testing.T) {
	b, p := newShareBreaker(t, func(c *BreakerConfig) { c.OpenTime, c.MaxOpenTime = time.Hour, time.Hour })
	inParallel(4, func(worker int) {
		for i := range 3000 {
			b.hear([]Outcome{Success, Success, Failure, Neutral}[(i+worker)%4], 1)
		}
		b.hear(Failure, 3000) // more than the others can outweigh
	})
	if b.circuit() == Closed || b.tryTrial(p.now()) != nil {
		t.Errorf("circuit is %s after nothing but failures, and is tried before its time", b.circuit())
	}
}

// TestSuccessesOfAHealthyNodeDoNotComeToGobreaker is what makes the end of a lease cheap.
func TestSuccessesOfAHealthyNodeDoNotComeToGobreaker(t *testing.T) {
	b, _ := newShareBreaker(t, func(*BreakerConfig) {})
	b.hear(Success, 100)
	if got := b.gobreaker.Counts().Requests; got != 0 {
		t.Errorf("gobreaker was told of %d successes of a node that never failed", got)
	}
	b.hear(Failure, 3)
	b.hear(Success, 100)
	if got := b.gobreaker.Counts(); got.Requests != 4 || got.ConsecutiveFailures != 0 {
		t.Errorf("gobreaker was told of %d attempts, and counts %d failures in a row; want 4 (the failures and what broke the row), and 0", got.Requests, got.ConsecutiveFailures)
	}
}

// inParallel runs so many of them at once and waits.
func inParallel(workers int, work func(worker int)) {
	var running sync.WaitGroup
	for i := range workers {
		running.Go(func() { work(i) })
	}
	running.Wait()
}
