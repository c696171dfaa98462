package balancer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A node that gives no sign of life gets nothing while there is another, and everything when there is none.
func TestASuspectedNodeIsTheLastChoice(t *testing.T) {
	for _, policy := range allPolicies {
		p := newPool(t, equal(policy, 3), Options{})
		nodes := p.Members()
		nodes[1].Suspect()
		nodes[1].Suspect() // one incident, however many of its requests tell of it
		if got := picks(t, p, 60); got[1] != 0 {
			t.Errorf("%s: picks = %v, want none of the suspected node", policy, got)
		}
		if st := p.Nodes()[1]; !st.Suspect || st.Suspicions != 1 {
			t.Errorf("%s: status %+v", policy, st)
		}
		p.setState(nodes[0], Down, errors.New("gone"))
		p.setState(nodes[2], Down, errors.New("gone"))
		if got := picks(t, p, 10); got[1] != 10 {
			t.Errorf("%s: picks = %v, want the suspected node: the others are down", policy, got)
		}
		p.setState(nodes[0], Up, nil)
		nodes[1].Trust()
		if got := picks(t, p, 60); got[1] == 0 {
			t.Errorf("%s: picks = %v, want the trusted node among them", policy, got)
		}
	}
}

// What waits for a silent node may go elsewhere only if there is an elsewhere.
func TestSparedIsWhoHasAFitNeighbour(t *testing.T) {
	p := newPool(t, equal(LeastLoad, 2), Options{})
	a, b := p.Members()[0], p.Members()[1]
	if !a.Spared() {
		t.Error("not spared beside a node that is up")
	}
	b.Suspect()
	if a.Spared() || !b.Spared() {
		t.Errorf("spared beside a suspected node: %v; beside one that is not: %v", a.Spared(), b.Spared())
	}
	b.Trust()
	p.setState(b, Down, errors.New("gone"))
	if a.Spared() {
		t.Error("spared beside a node that is down")
	}
	p.setState(b, Up, nil)
	b.Goaway()
	if a.Spared() {
		t.Error("spared beside a node that is about to leave")
	}
}

// Suspicion is followed by a probe at once, and by trust if that is good.
func TestAProbeSettlesSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		p := newPool(t, equal(LeastLoad, 2), Options{Probe: f.probe})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = p.Run(ctx) }()
		synctest.Wait()
		n := p.Members()[0]
		before, began := f.probes(n), time.Now()
		f.set(n, errors.New("no answer"))
		n.Suspect()
		synctest.Wait()
		if f.probes(n) != before+1 || !n.suspect.Load() {
			t.Errorf("%d probes after the suspicion, suspect: %v", f.probes(n)-before, n.suspect.Load())
		}
		f.set(n, nil)
		time.Sleep(p.cfg.Health.DoubtInterval)
		synctest.Wait()
		if n.suspect.Load() {
			t.Errorf("still suspected %v later, after a good probe", time.Since(began))
		}
		stop()
		synctest.Wait()
	})
}
