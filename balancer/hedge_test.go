package balancer

import (
	"errors"
	"testing"
	"time"
)

// hedging is a pool of n nodes with the hedge's defaults, and its clock.
func hedging(t testing.TB, n int, change func(*Config)) (*Pool, *hands) {
	t.Helper()
	cfg := equal(LeastConnections, n)
	cfg.Hedge = new(HedgeConfig)
	cfg.Hedge.SetDefaults()
	if change != nil {
		change(&cfg)
	}
	return timed(t, cfg)
}

// answers makes n first attempts that take that long each.
func answers(t testing.TB, m *Model, clock *hands, n int, took time.Duration) {
	t.Helper()
	for range n {
		l, err := m.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		clock.advance(took)
		l.Done(Success)
	}
}

// first makes a first attempt that stays under way.
func first(t testing.TB, m *Model) (l Lease, tried *Tried) {
	t.Helper()
	tried = new(Tried)
	var err error
	if l, err = m.Pick(Ask{}, tried); err != nil {
		t.Fatal(err)
	}
	return // by name: a lease is not copied
}

func TestHedgesWaitForTheModelsOwnTime(t *testing.T) {
	p, clock := hedging(t, 2, nil)
	quick, slow := p.Know("quick"), p.Know("slow")
	answers(t, quick, clock, 99, 10*time.Millisecond)
	if d, ok := quick.HedgeAfter(); ok {
		t.Errorf("after 99 attempts the time is said to be %s", d)
	}
	answers(t, quick, clock, 1, 10*time.Millisecond)
	answers(t, slow, clock, 100, time.Second)
	for m, want := range map[*Model]time.Duration{quick: 10 * time.Millisecond, slow: time.Second} {
		if d, ok := m.HedgeAfter(); !ok || d < want/2 || d > 2*want {
			t.Errorf("%s: %s, %t; want about %s", m.Name(), d, ok, want)
		}
	}
	if _, ok := p.Model("").HedgeAfter(); ok {
		t.Error("a model of which nothing is known has a time")
	}
}

func TestHedgesWaitForTheLeastTime(t *testing.T) {
	p, clock := hedging(t, 2, func(c *Config) { c.Hedge.MinDelay = 50 * time.Millisecond })
	answers(t, p.Model(""), clock, 100, time.Millisecond)
	if d, ok := p.Model("").HedgeAfter(); !ok || d != 50*time.Millisecond {
		t.Errorf("%s, %t; want 50ms", d, ok)
	}
}

func TestWhoDoesNotHedge(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no table":         func(c *Config) { c.Hedge = nil },
		"a single attempt": func(c *Config) { c.Retry.Attempts = 1 },
	} {
		p, clock := hedging(t, 2, change)
		answers(t, p.Model(""), clock, 1000, time.Millisecond)
		if d, ok := p.Model("").HedgeAfter(); ok {
			t.Errorf("%s: hedges after %s", name, d)
		}
	}
}

// Only first attempts tell how long first attempts take, and only those that were answered or broken off for being late.
func TestWhatTellsTheTime(t *testing.T) {
	p, clock := hedging(t, 4, func(c *Config) { c.Breaker.ConsecutiveFailures, c.Breaker.FailurePercent = 0, 0 })
	m := p.Model("")
	answers(t, m, clock, 200, 10*time.Millisecond)
	before, _ := m.HedgeAfter()
	for range 200 {
		l, tried := first(t, m)
		again, err := m.Pick(Ask{}, tried)
		if err != nil {
			t.Fatal(err)
		}
		other, err := m.Pick(Ask{}, tried)
		if err != nil {
			t.Fatal(err)
		}
		clock.advance(time.Hour)
		l.Done(Neutral)
		again.Done(Success)
		other.Done(Faulty)
	}
	if after, _ := m.HedgeAfter(); after != before {
		t.Errorf("%s became %s by attempts that are no first ones, or were not answered", before, after)
	}
	for range 100 {
		l, _ := first(t, m)
		clock.advance(time.Second)
		l.Late()
		l.Done(Neutral)
	}
	if after, _ := m.HedgeAfter(); after < 500*time.Millisecond {
		t.Errorf("%s although a hundred first attempts were broken off after 1s", after)
	}
}

func TestAHedgeGoesToAnotherNode(t *testing.T) {
	p, _ := hedging(t, 3, nil)
	m := p.Model("")
	for range 50 {
		l, tried := first(t, m)
		h, err := m.Hedge(Ask{}, tried)
		if err != nil {
			t.Fatal(err)
		}
		if h.Node() == l.Node() || !tried.Has(h.Node()) {
			t.Fatal("the hedge went to a node that was tried, or is not noted as tried")
		}
		h.Done(Neutral)
		l.Done(Success)
	}
}

func TestAHedgeNeedsASoundNode(t *testing.T) {
	for name, spoil := range map[string]func(p *Pool, n *Node){
		"down":         func(p *Pool, n *Node) { p.setState(n, Down, nil) },
		"draining":     func(p *Pool, n *Node) { _ = p.Drain(n.Address(), true) },
		"leaving":      func(_ *Pool, n *Node) { n.Goaway() },
		"open circuit": func(p *Pool, n *Node) { trip(t, p, n) },
		"resting": func(p *Pool, n *Node) {
			p.control.Lock()
			pl := p.common.place(n)
			p.control.Unlock()
			pl.rest(p.now(), time.Second)
		},
	} {
		p, _ := hedging(t, 2, nil)
		m := p.Model("")
		l, tried := first(t, m)
		for _, n := range p.Members() {
			if n != l.Node() {
				spoil(p, n)
			}
		}
		if _, err := m.Hedge(Ask{}, tried); !errors.Is(err, ErrNoNode) {
			t.Errorf("%s: %v, want ErrNoNode", name, err)
		}
		l.Done(Success)
	}
	p, _ := hedging(t, 1, nil)
	_, tried := first(t, p.Model(""))
	if _, err := p.Model("").Hedge(Ask{}, tried); !errors.Is(err, ErrNoNode) {
		t.Errorf("a single node: %v, want ErrNoNode", err)
	}
}

// trip opens the node's circuit.
func trip(t testing.TB, p *Pool, n *Node) {
	t.Helper()
	for range p.cfg.Breaker.ConsecutiveFailures {
		l := Lease{grant: grant{began: p.now()}}
		p.control.Lock()
		pl := p.common.place(n)
		p.control.Unlock()
		if !n.reserve() {
			t.Fatal("cannot reserve")
		}
		l.to(pl)
		l.Done(Failure)
	}
	if n.Circuit() != Open {
		t.Fatal("the circuit is not open")
	}
}

func TestNoHedgeIntoASaturatedPool(t *testing.T) {
	for name, spoil := range map[string]func(n *Node){
		"its queue is not empty": func(n *Node) {
			n.inflight.Add(1)
			n.Report(Load{Known: true, Queued: 1})
		},
		"others keep it busy":        func(n *Node) { n.Report(Load{Known: true, Queued: 3}) },
		"it is at its limit":         func(n *Node) { n.limit.Store(1); n.inflight.Add(1) },
		"it is the busiest":          func(n *Node) { n.inflight.Add(4) },
		"it has as much as it takes": func(n *Node) { n.limit.Store(2); n.inflight.Add(2) },
	} {
		p, _ := hedging(t, 2, nil)
		m := p.Model("")
		l, tried := first(t, m)
		for _, n := range p.Members() {
			if n != l.Node() {
				spoil(n)
			}
		}
		before := p.hedges.balance.Load()
		if _, err := m.Hedge(Ask{}, tried); !errors.Is(err, ErrBusy) {
			t.Errorf("%s: %v, want ErrBusy", name, err)
		}
		if p.hedges.balance.Load() != before {
			t.Errorf("%s: it was paid for", name)
		}
	}
}

// What a node said long ago, and nothing has come to it since, keeps no hedge away; nor does the usual load.
func TestAHedgeIntoAPoolWithRoom(t *testing.T) {
	for name, prepare := range map[string]func(n *Node, clock *hands){
		"others were there once": func(n *Node, clock *hands) {
			n.Report(Load{Known: true, Queued: 3})
			clock.advance(5 * time.Second)
		},
		"it runs, and nobody waits": func(n *Node, _ *hands) {
			n.inflight.Add(4)
			n.Report(Load{Known: true, InFlight: 4})
		},
		"it has one more than the slow one": func(n *Node, _ *hands) { n.inflight.Add(2) },
	} {
		p, clock := hedging(t, 2, nil)
		m := p.Model("")
		l, tried := first(t, m)
		for _, n := range p.Members() {
			if n != l.Node() {
				prepare(n, clock)
			}
		}
		h, err := m.Hedge(Ask{}, tried)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		h.Done(Success)
	}
}

func TestHedgesStayWithinTheirBudget(t *testing.T) {
	p, _ := hedging(t, 2, func(c *Config) { c.Hedge.BudgetPercent, c.Hedge.BudgetBurst = 5, 10 })
	m := p.Model("")
	sent, refused := 0, 0
	const firsts = 1000
	for range firsts {
		l, tried := first(t, m)
		h, err := m.Hedge(Ask{}, tried)
		switch {
		case err == nil:
			sent++
			h.Done(Neutral)
		case errors.Is(err, ErrBudget):
			refused++
		default:
			t.Fatal(err)
		}
		l.Done(Success)
	}
	if want := firsts/20 + 10; sent > want || sent < want-1 || sent+refused != firsts {
		t.Errorf("%d hedges of %d, want %d", sent, firsts, want)
	}
	for _, n := range p.Members() {
		if n.Inflight() != 0 {
			t.Errorf("%d leases are left", n.Inflight())
		}
	}
	if p.retries.balance.Load() != p.retries.burst {
		t.Error("retries have paid for hedges")
	}
}

// A request that one node has refused is not put to another that wants to be left alone.
func TestTheWillingDoNotRest(t *testing.T) {
	p, clock := hedging(t, 2, nil)
	m := p.Model("")
	l, tried := first(t, m)
	other, err := m.Pick(Ask{}, tried)
	if err != nil {
		t.Fatal(err)
	}
	other.Refused(RetryAfter, time.Second)
	other.Done(Neutral)
	tried = new(Tried)
	tried.Add(l.Node())
	if _, err := m.Pick(Ask{Willing: true}, tried); !errors.Is(err, ErrNoNode) {
		t.Errorf("%v, want ErrNoNode", err)
	}
	clock.advance(2 * time.Second)
	if _, err := m.Pick(Ask{Willing: true}, tried); err != nil {
		t.Errorf("%v once it has rested", err)
	}
}
