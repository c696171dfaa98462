package balancer

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestMarkedNodeIsOutUntilItsProbesSayOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		p := newPool(t, equal(LeastConnections, 2), Options{Probe: f.probe})
		defer run(t, p)()
		advance(time.Minute)
		p.mark(1, Down, errors.New("its machine says goodbye"))
		if s := p.Nodes()[1]; s.State != Down || s.Cause != "its machine says goodbye" {
			t.Errorf("marked node: %+v", s)
		}
		if got := picks(t, p, 10); got[1] != 0 {
			t.Errorf("picks = %v, want none of the marked node", got)
		}
		advance(time.Minute) // the probes have been content all along
		if s := p.Nodes()[1]; s.State != Up || s.Cause != "" {
			t.Errorf("after a minute of good probes: %+v", s)
		}
	})
}

// TestPoolGoesByTheClockItIsGiven: the budget's floor is per second of that clock.
func TestPoolGoesByTheClockItIsGiven(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	cfg := equal(LeastConnections, 2)
	cfg.Retry.BudgetPercent, cfg.Retry.BudgetFloor = 0, 2
	p := newPool(t, cfg, Options{Now: func() time.Time { return now }})
	for i, want := range []bool{true, true, false} {
		if got := p.Retry(); got != want {
			t.Errorf("retry %d in the first second: %t, want %t", i+1, got, want)
		}
	}
	now = now.Add(time.Second)
	if !p.Retry() {
		t.Error("no retry in the next second")
	}
}
