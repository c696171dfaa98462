package balancer

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// retriesOf makes the pool's budget the given one and lets an outage of some seconds pass: rate first attempts a second,
// each of which wants a retry. It returns how many retries were granted.
func retriesOf(t *testing.T, cfg RetryConfig, rate, seconds int) int {
	t.Helper()
	var granted int
	synctest.Test(t, func(t *testing.T) {
		c := equal(LeastConnections, 2)
		c.Retry = cfg
		p := newPool(t, c, Options{})
		for range seconds {
			for range rate {
				attempt(t, p, Neutral)
				if p.Retry() {
					granted++
				}
			}
			time.Sleep(time.Second)
		}
	})
	return granted
}

func TestBudgetBoundsRetries(t *testing.T) {
	budget := func(percent float64, floor, burst int) RetryConfig {
		return RetryConfig{Attempts: 2, BudgetPercent: percent, BudgetFloor: floor, BudgetBurst: burst}
	}
	for _, c := range []struct {
		name          string
		cfg           RetryConfig
		rate, seconds int
		want          int
	}{
		{"a share of much traffic, and what was saved", budget(10, 10, 100), 500, 20, 100 + 500*20/10},
		{"the floor adds nothing to the share", budget(10, 50, 1), 500, 20, 1 + 500*20/10},
		{"little traffic lives on the floor", budget(10, 10, 1), 8, 20, 8 * 20},
		{"the floor is per second", budget(0, 10, 100), 500, 20, 10 * 20},
		{"nothing at all", budget(0, 0, 100), 500, 20, 0},
		{"everything", budget(100, 0, 1), 500, 20, 500 * 20},
	} {
		if got := retriesOf(t, c.cfg, c.rate, c.seconds); got < c.want-1 || got > c.want+1 {
			t.Errorf("%s: %d retries, want %d", c.name, got, c.want)
		}
	}
}

func TestSavingsAreBounded(t *testing.T) {
	cfg := equal(LeastConnections, 1)
	cfg.Retry = RetryConfig{Attempts: 2, BudgetPercent: 10, BudgetFloor: 0, BudgetBurst: 20}
	p := newPool(t, cfg, Options{})
	for range 10_000 {
		attempt(t, p, Success)
	}
	granted := 0
	for p.Retry() {
		granted++
	}
	if granted != 20 {
		t.Errorf("%d retries after a long quiet time, want the burst of 20", granted)
	}
}

func TestOnlyFirstAttemptsEarnRetries(t *testing.T) {
	cfg := equal(LeastConnections, 3)
	cfg.Retry = RetryConfig{Attempts: 3, BudgetPercent: 100, BudgetFloor: 0, BudgetBurst: 5}
	p := newPool(t, cfg, Options{})
	for p.Retry() {
	}
	var tried Tried
	for range 3 {
		lease, err := p.Model("").Pick(Ask{}, &tried)
		if err != nil {
			t.Fatal(err)
		}
		lease.Done(Failure)
	}
	if _, err := p.Model("").Pick(Ask{}, &tried); err == nil {
		t.Fatal("a fourth node of three")
	}
	granted := 0
	for p.Retry() {
		granted++
	}
	if granted != 1 {
		t.Errorf("three attempts of one exchange earned %d retries, want 1", granted)
	}
}

func TestBudgetIsSharedByAll(t *testing.T) {
	cfg := equal(LeastConnections, 2)
	cfg.Retry = RetryConfig{Attempts: 2, BudgetPercent: 20, BudgetFloor: 0, BudgetBurst: 50}
	p := newPool(t, cfg, Options{})
	var granted atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 1000 {
				attempt(t, p, Neutral)
				if p.Retry() {
					granted.Add(1)
				}
			}
		})
	}
	workers.Wait()
	// Deposits that meet a full bucket are lost; a few of those that race it to the brim are not.
	if got := granted.Load(); got < 700 || got > 50+800+4 {
		t.Errorf("%d retries for 4000 first attempts, want at most 850", got)
	}
}
