package balancer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watched makes a pool that notes its changes as words.
func watched(t *testing.T, cfg Config, probe Probe) (*Pool, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	p := newPool(t, cfg, Options{Probe: probe, Observe: func(c Change) {
		mu.Lock()
		defer mu.Unlock()
		if c.State != c.OldState {
			seen = append(seen, fmt.Sprintf("%d %s", c.Node.index(), c.State))
		}
		if c.Circuit != c.OldCircuit {
			seen = append(seen, fmt.Sprintf("%d %s", c.Node.index(), c.Circuit))
		}
	}})
	return p, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

func TestCircuitOpensAfterFailuresInARow(t *testing.T) {
	p, changes := watched(t, equal(RoundRobin, 2), nil)
	bad := p.Members()[0]
	for i := range 5 {
		if bad.Circuit() != Closed {
			t.Fatalf("open after %d failures, want 5", i)
		}
		attempt(t, p, Failure)
		attempt(t, p, Success)
	}
	if bad.Circuit() != Open || p.Members()[1].Circuit() != Closed {
		t.Errorf("circuits: %s and %s, want open and closed", bad.Circuit(), p.Members()[1].Circuit())
	}
	if got := picks(t, p, 20); got[0] != 0 {
		t.Errorf("picks = %v, want none of the open circuit", got)
	}
	if got := changes(); !slices.Equal(got, []string{"0 open"}) {
		t.Errorf("changes = %q", got)
	}
}

func TestSuccessInBetweenStartsTheCountAgain(t *testing.T) {
	cfg := equal(RoundRobin, 1)
	cfg.Breaker.FailurePercent = 0
	p := newPool(t, cfg, Options{})
	for range 10 {
		for range 4 {
			attempt(t, p, Failure)
		}
		attempt(t, p, Success)
	}
	if c := p.Members()[0].Circuit(); c != Closed {
		t.Errorf("circuit is %s after never five in a row", c)
	}
}

func TestCircuitOpensByRate(t *testing.T) {
	cfg := equal(RoundRobin, 1)
	cfg.Breaker.ConsecutiveFailures = 0
	p := newPool(t, cfg, Options{})
	for i := range 19 {
		attempt(t, p, []Outcome{Failure, Success}[i%2])
	}
	if c := p.Members()[0].Circuit(); c != Closed {
		t.Fatalf("circuit is %s below the minimum of requests", c)
	}
	attempt(t, p, Failure)
	if c := p.Members()[0].Circuit(); c != Open {
		t.Errorf("circuit is %s at 11 failures of 20", c)
	}
}

func TestRateForgetsWhatIsOlderThanTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := equal(RoundRobin, 1)
		cfg.Breaker.ConsecutiveFailures = 0
		p := newPool(t, cfg, Options{})
		for range 19 {
			attempt(t, p, Failure)
		}
		advance(cfg.Breaker.Window + time.Second)
		for range 11 {
			attempt(t, p, Success)
		}
		for range 9 {
			attempt(t, p, Failure)
		}
		if c := p.Members()[0].Circuit(); c != Closed {
			t.Errorf("circuit is %s at 9 failures of 20 within the window", c)
		}
	})
}

func TestNeutralOutcomesCountNowhere(t *testing.T) {
	p := newPool(t, equal(RoundRobin, 1), Options{})
	for range 4 {
		attempt(t, p, Failure)
	}
	for range 50 {
		attempt(t, p, Neutral)
	}
	if c := p.Members()[0].Circuit(); c != Closed {
		t.Fatalf("circuit is %s after four failures and many neutral outcomes", c)
	}
	attempt(t, p, Failure) // the fifth in a row, since neutral ones do not break the row either
	if c := p.Members()[0].Circuit(); c != Open {
		t.Errorf("circuit is %s after the fifth failure in a row", c)
	}
}

// longestOpen is how long a circuit may stay open that opens for the nth time in a row.
func longestOpen(cfg Config, n int) time.Duration {
	open := min(cfg.Breaker.OpenTime<<(n-1), cfg.Breaker.MaxOpenTime)
	return open + time.Duration(setbackSpread*float64(open)) + 1
}

// TestOpenTimesDouble, up to their bound, and are forgotten by a time of health.
func TestOpenTimesDouble(t *testing.T) {
	p, h := timed(t, equal(RoundRobin, 2))
	cfg := p.cfg
	n := p.Members()[0]
	exhaust(t, p, n)
	for i, want := range []time.Duration{2, 4, 8, 16, 30, 30} {
		open := n.breaker.Load().trialAt.Load() - int64(p.now())
		if got := time.Duration(open); got < want*time.Second || got > want*time.Second*6/5 {
			t.Errorf("open for %s the %d. time, want %ds to a fifth more", got, i+1, want)
		}
		h.advance(longestOpen(cfg, i+1))
		if got := attempt(t, p, Failure); got != n {
			t.Fatalf("the trial went to node %d", got.index())
		}
	}
	h.advance(longestOpen(cfg, 6))
	attempt(t, p, Success)
	h.advance(time.Hour)
	exhaust(t, p, n)
	if got := time.Duration(n.breaker.Load().trialAt.Load()) - p.now(); got > cfg.Breaker.OpenTime*6/5 {
		t.Errorf("open for %s after an hour of health", got)
	}
}

func TestTrialClosesTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := equal(LeastConnections, 2)
		p, changes := watched(t, cfg, nil)
		exhaust(t, p, p.Members()[0])
		advance(cfg.Breaker.OpenTime)
		if got := picks(t, p, 10); got[0] != 0 {
			t.Fatalf("picks = %v during the open time", got)
		}
		advance(longestOpen(cfg, 1) - cfg.Breaker.OpenTime)
		var first Tried
		trial, err := p.Model("").Pick(Ask{}, &first)
		if err != nil || trial.Node() != p.Members()[0] || !trial.Trial() {
			t.Fatalf("first pick after the open time: node %v, trial %t, %v", trial.Node().index(), trial.Trial(), err)
		}
		if c := p.Members()[0].Circuit(); c != HalfOpen {
			t.Errorf("circuit is %s during the trial", c)
		}
		if got := picks(t, p, 10); got[0] != 0 {
			t.Errorf("picks = %v while the trial is out, want it to be the only one", got)
		}
		trial.Done(Success)
		if got := picks(t, p, 10); got[0] < 4 || got[0] > 6 || p.Members()[0].Circuit() != Closed {
			t.Errorf("picks = %v after a good trial, circuit is %s", got, p.Members()[0].Circuit())
		}
		if got := changes(); !slices.Equal(got, []string{"0 open", "0 closed"}) {
			t.Errorf("changes = %q", got)
		}
	})
}

func TestFailedTrialOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := equal(RoundRobin, 2)
		p, changes := watched(t, cfg, nil)
		exhaust(t, p, p.Members()[0])
		for failed := range 3 {
			advance(longestOpen(cfg, failed+1))
			if n := attempt(t, p, Failure); n != p.Members()[0] {
				t.Fatalf("the trial went to node %d", n.index())
			}
			if got := picks(t, p, 10); got[0] != 0 {
				t.Errorf("picks = %v after a failed trial", got)
			}
		}
		if got := changes(); !slices.Equal(got, []string{"0 open"}) {
			t.Errorf("changes = %q, want a broken node to be reported once", got)
		}
	})
}

func TestNeutralTrialLeavesTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := equal(RoundRobin, 2)
		p := newPool(t, cfg, Options{})
		exhaust(t, p, p.Members()[0])
		advance(longestOpen(cfg, 1))
		for range 3 { // a client that leaves must not use up the trial
			if n := attempt(t, p, Neutral); n != p.Members()[0] {
				t.Fatalf("the trial went to node %d", n.index())
			}
		}
		attempt(t, p, Success)
		if c := p.Members()[0].Circuit(); c != Closed {
			t.Errorf("circuit is %s after a good trial", c)
		}
	})
}

func TestRetriesAreNoTrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := equal(RoundRobin, 3)
		p := newPool(t, cfg, Options{})
		exhaust(t, p, p.Members()[0])
		advance(longestOpen(cfg, 1))
		tried := Tried{}
		tried.Add(p.Members()[1])
		lease, err := p.Model("").Pick(Ask{}, &tried)
		if err != nil || lease.Node() != p.Members()[2] {
			t.Errorf("the retry went to node %d, %v; want the sound one", lease.Node().index(), err)
		}
		lease.Done(Success)
	})
}

func TestPoolOfOpenCircuitsFailsOpen(t *testing.T) {
	for _, policy := range allPolicies {
		p := newPool(t, equal(policy, 2), Options{})
		for range 30 {
			attempt(t, p, Failure)
		}
		if a, b := p.Members()[0].Circuit(), p.Members()[1].Circuit(); a != Open || b != Open {
			t.Fatalf("%s: circuits are %s and %s", policy, a, b)
		}
		if got := picks(t, p, 100); got[0]+got[1] != 100 || got[0] == 0 || got[1] == 0 {
			t.Errorf("%s: picks = %v, want both nodes used", policy, got)
		}
		if !p.Ready() {
			t.Errorf("%s: not ready, though it serves", policy)
		}
	}
}

// TestOldOutcomesDoNotCount reports attempts from before the circuit opened after it has closed again.
func TestOldOutcomesDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := equal(RoundRobin, 1)
		p := newPool(t, cfg, Options{})
		var old []*Lease
		for range 10 {
			lease, err := p.Model("").Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			old = append(old, &lease)
		}
		exhaust(t, p, p.Members()[0])
		advance(longestOpen(cfg, 1))
		old[0].Done(Success) // must not pass for the trial
		if c := p.Members()[0].Circuit(); c == Closed {
			t.Error("an old success closed the circuit")
		}
		attempt(t, p, Success)
		for _, l := range old[1:] {
			l.Done(Failure)
		}
		if c := p.Members()[0].Circuit(); c != Closed {
			t.Errorf("circuit is %s after failures that began before it opened", c)
		}
	})
}

// TestOldOutcomeThatRacesIsNoTrial is an attempt through a closed circuit that was still closed when its outcome was looked at, and
// half-open when gobreaker came to it.
func TestOldOutcomeThatRacesIsNoTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := equal(RoundRobin, 2)
		p := newPool(t, cfg, Options{})
		exhaust(t, p, p.Members()[0])
		advance(longestOpen(cfg, 1))
		trial, err := p.Model("").Pick(Ask{}, nil)
		if err != nil || !trial.Trial() {
			t.Fatalf("trial %t, %v", trial.Trial(), err)
		}
		b := p.Members()[0].breaker.Load()
		for _, raced := range b.closed {
			b.execute(raced)
			if c := b.circuit(); c != HalfOpen {
				t.Fatalf("circuit is %s by an attempt that was no trial", c)
			}
		}
		trial.Done(Success)
		if c := b.circuit(); c != Closed {
			t.Errorf("circuit is %s after a good trial", c)
		}
	})
}

func TestNodeThatComesBackGetsAFreshBreaker(t *testing.T) {
	p, changes := watched(t, equal(RoundRobin, 2), nil)
	lost, err := p.Model("").Pick(Ask{}, nil)
	if err != nil || lost.Node() != p.Members()[0] {
		t.Fatal(err)
	}
	exhaust(t, p, p.Members()[0])
	p.setState(p.Members()[0], Down, errors.New("gone"))
	p.setState(p.Members()[0], Up, nil)
	if got := picks(t, p, 10); got[0] != 5 {
		t.Errorf("picks = %v, want the node that is back to have its share at once", got)
	}
	for range 4 {
		attempt(t, p, Failure)
		attempt(t, p, Success)
	}
	lost.Done(Failure) // would be the fifth, but was an attempt on the process before
	if c := p.Members()[0].Circuit(); c != Closed {
		t.Errorf("circuit is %s by an attempt from before", c)
	}
	if got, want := changes(), []string{"0 open", "0 down", "0 up", "0 closed"}; !slices.Equal(got, want) {
		t.Errorf("changes = %q, want %q", got, want)
	}
}

// TestNoNewsIsNotReported is a circuit that turned and turned back before anybody came to publish it.
func TestNoNewsIsNotReported(t *testing.T) {
	var out bytes.Buffer
	p := newPool(t, equal(RoundRobin, 2), Options{
		Observe: func(c Change) { t.Errorf("reported: %+v", c) },
		Log:     slog.New(slog.NewTextHandler(&out, nil)),
	})
	p.nodeTurned(p.Members()[0])
	if out.Len() > 0 {
		t.Errorf("logged: %s", out.String())
	}
}

func TestOneTrialAtATimeInParallel(t *testing.T) {
	cfg := equal(LeastConnections, 2)
	cfg.Breaker.OpenTime = minTime
	p := newPool(t, cfg, Options{})
	exhaust(t, p, p.Members()[0])
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for ctx.Err() == nil {
				lease, err := p.Model("").Pick(Ask{}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if !lease.Trial() {
					lease.Done(Success)
					continue
				}
				if n := lease.Node().Inflight(); n != 1 {
					t.Errorf("%d attempts on a node under trial", n)
				}
				lease.Done(Failure)
			}
		})
	}
	workers.Wait()
	if f := p.Nodes()[0].Failures; f < 6 {
		t.Errorf("%d failures: there was no trial", f)
	}
}
