package balancer

import (
	"fmt"
	"testing"
)

func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		if got := fmt.Sprint(recover()); got != want {
			t.Errorf("panic = %q, want %q", got, want)
		}
	}()
	f()
}

func TestLeaseIsReportedExactlyOnce(t *testing.T) {
	p := newPool(t, equal(LeastConnections, 1), Options{})
	lease, err := p.Model("").Pick(Ask{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := lease.Node(); n.Inflight() != 1 {
		t.Errorf("%d in flight after a pick", n.Inflight())
	}
	lease.Done(Success)
	mustPanic(t, "BUG: lease reported twice", func() { lease.Done(Success) })
	if n := lease.Node(); n.Inflight() != 0 {
		t.Errorf("%d in flight after Done, twice", n.Inflight())
	}
	mustPanic(t, "BUG: lease reported that was never granted", func() { new(Lease).Done(Success) })
	second, _ := p.Model("").Pick(Ask{}, nil)
	mustPanic(t, "BUG: lease reported with no outcome", func() { second.Done(0) })
}

func TestCountersAddUp(t *testing.T) {
	p := newPool(t, equal(LeastConnections, 1), Options{})
	for i, o := range []Outcome{Success, Success, Success, Failure, Neutral, Neutral} {
		attempt(t, p, o)
		if s := p.Nodes()[0]; s.Attempts != uint64(i+1) {
			t.Fatalf("after %d attempts: %+v", i+1, s)
		}
	}
	lease, _ := p.Model("").Pick(Ask{}, nil)
	s := p.Nodes()[0]
	if s.Attempts != 7 || s.Successes != 3 || s.Failures != 1 || s.Neutral != 2 || s.Inflight != 1 {
		t.Errorf("status = %+v", s)
	}
	lease.Done(Success)
}

func TestTriedHoldsAnyNumberOfNodes(t *testing.T) {
	p := newPool(t, equal(RoundRobin, 20), Options{})
	var tried Tried
	for i, n := range p.Members() {
		if tried.Has(n) {
			t.Fatalf("has node %d before it was added", i)
		}
		tried.Add(n)
		tried.Add(n)
		if !tried.Has(n) || tried.Len() != i+1 {
			t.Fatalf("after adding node %d twice: has = %t, len = %d", i, tried.Has(n), tried.Len())
		}
	}
	for i, n := range p.Members() {
		if !tried.Has(n) {
			t.Errorf("forgot node %d", i)
		}
	}
}
