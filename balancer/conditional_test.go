package balancer

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// inCompany makes a pool of nodes which others use too, and on which leases last so long that a choice is worth a way there and back.
func inCompany(t testing.TB, policy string, nodes int) (*Pool, *hands) {
	t.Helper()
	p, h := timed(t, unjudged(equal(policy, nodes)))
	for _, n := range p.Members() {
		n.hold(5 * time.Millisecond)
		n.Hear(Load{Known: true, Queued: 1, InFlight: 1, Worked: time.Millisecond}, 0)
		n.Hear(Load{Known: true}, 0)
	}
	return p, h
}

// pickOne makes an attempt.
func pickOne(t testing.TB, p *Pool, a Ask, tried *Tried) *Lease {
	t.Helper()
	lease, err := p.Model("").Pick(a, tried)
	if err != nil {
		t.Fatal(err)
	}
	return &lease
}

// declineWith gives the lease back as its node says that has so many requests of others.
func declineWith(l *Lease, others uint32, tried *Tried) {
	l.Declined(Load{Known: true, Queued: others - 1, InFlight: 1, Worked: time.Millisecond}, 0, tried)
}

// TestADeclineCorrectsTheBooksAndCountsForNothing: the next choice is another node, no counter of attempts, failures, budgets or judgements
// has moved, and the node may be picked again.
func TestADeclineCorrectsTheBooksAndCountsForNothing(t *testing.T) {
	p, h := inCompany(t, LeastLoad, 3)
	record := NewRecording(10)
	p.Record(record)
	var tried Tried
	first := pickOne(t, p, Ask{}, &tried)
	if most, conditional := first.Expects(); most != 1 || !conditional {
		t.Errorf("expects %d, conditional %v; want a node that is believed to be idle", most, conditional)
	}
	budget := p.retries.balance.Load()
	h.advance(200 * time.Microsecond)
	declineWith(first, 2, &tried)
	n := first.Node()
	if tried.Len() != 0 || tried.Has(n) || tried.declines != 1 {
		t.Errorf("%d tried after a decline, the node among them: %v; %d declines", tried.Len(), tried.Has(n), tried.declines)
	}
	if s := n.status(); s.Attempts != 0 || s.Inflight != 0 || s.Failures+s.Faults+s.Neutral != 0 {
		t.Errorf("a declined attempt counts: %+v", s)
	}
	if got := len(record.Decisions()); got != 0 {
		t.Errorf("%d declined attempts are recorded", got)
	}
	second := pickOne(t, p, Ask{}, &tried)
	if second.Node() == n {
		t.Error("picked the node again that has just said that it is busy, before idle ones")
	}
	if got := p.retries.balance.Load(); got > budget {
		t.Errorf("the exchange has paid twice into the budget for retries: %d, then %d", budget, got)
	}
	for _, other := range p.Members() {
		if other != n {
			other.Hear(Load{Known: true, Queued: 9, InFlight: 1, Worked: time.Millisecond}, 0)
		}
	}
	declineWith(second, 9, &tried)
	third := pickOne(t, p, Ask{}, &tried)
	if most, conditional := third.Expects(); third.Node() != n || most != 3 || !conditional {
		t.Errorf("the node that declined is the best one now; its lease expects %d, conditional %v; want 3", most, conditional)
	}
	third.Done(Success)
}

// TestOnlyChoicesThatMayBeBetterAreConditional goes through what makes an attempt unconditional.
func TestOnlyChoicesThatMayBeBetterAreConditional(t *testing.T) {
	conditional := func(p *Pool, a Ask, tried *Tried) bool {
		t.Helper()
		lease := pickOne(t, p, a, tried)
		defer lease.Done(Neutral)
		_, yes := lease.Expects()
		return yes
	}
	p, h := inCompany(t, LeastLoad, 2)
	if !conditional(p, Ask{}, nil) {
		t.Error("an attempt of least_load in company is not conditional")
	}
	if conditional(p, Ask{Key: 1, Stick: true}, nil) {
		t.Error("an attempt is conditional that has to meet its node")
	}
	var tried Tried
	tried.Add(p.Members()[0])
	if conditional(p, Ask{}, &tried) {
		t.Error("an attempt is conditional for which no other node is left")
	}
	tried = Tried{}
	for i := range DeclinesMost {
		lease := pickOne(t, p, Ask{}, &tried)
		if _, yes := lease.Expects(); !yes {
			t.Fatalf("attempt %d is not conditional", i+1)
		}
		declineWith(lease, 3, &tried)
	}
	if conditional(p, Ask{}, &tried) {
		t.Errorf("after %d declines an attempt is still conditional", DeclinesMost)
	}
	h.advance(1<<newsLife + time.Millisecond)
	if conditional(p, Ask{}, nil) {
		t.Error("an attempt is conditional where nobody else sends any")
	}
	quick, _ := inCompany(t, LeastLoad, 2)
	for _, n := range quick.Members() {
		n.held.Store(int64(declinesWorth) - 1)
	}
	if conditional(quick, Ask{}, nil) {
		t.Error("an attempt is conditional for which the way there and back is worth more than the wait")
	}
	for _, policy := range []string{RoundRobin, Weighted, LeastConnections, PeakEWMA, ConsistentHash} {
		if p, _ := inCompany(t, policy, 2); conditional(p, Ask{Key: 1}, nil) {
			t.Errorf("%s: an attempt is conditional", policy)
		}
	}
}

// TestNewsOfNodesThatDeclineIsBelieved where it is quick: such a node is idle when it says so, its answers do not overwrite what it tells,
// and of two that hold as much the one is picked that has worked longer.
func TestNewsOfNodesThatDeclineIsBelieved(t *testing.T) {
	p, h := inCompany(t, LeastLoad, 2)
	n := p.Members()[0]
	others := func() int64 { return n.load.foreign(p.now()) }
	n.Hear(Load{Known: true, Queued: 2, InFlight: 1, Worked: time.Millisecond}, 1)
	if got := others(); got != 2 {
		t.Errorf("heard of three requests, one of them ours: %d of others", got)
	}
	n.Report(Load{Known: true, Queued: 7, InFlight: 1})
	if got := others(); got != 2 {
		t.Errorf("an answer overwrites what was told: %d of others", got)
	}
	n.Hear(Load{Known: true}, 0)
	if got := others(); got != 0 {
		t.Errorf("heard that it is idle: %d of others", got)
	}
	h.advance(heardLife + time.Millisecond)
	n.Report(Load{Known: true, Queued: 7, InFlight: 1})
	if got := others(); got != 8 {
		t.Errorf("a node that tells no more has answered: %d of others, want 8", got)
	}
	n.held.Store(int64(newsFresh*NewsPause(2)) - 1) // news is as old as what it is of
	n.Hear(Load{Known: true}, 0)
	if got := others(); got != 1 {
		t.Errorf("heard that a quick node is idle: %d of others, want 1 until it answers", got)
	}
	serve(t, p, h, []time.Duration{5 * time.Millisecond, 5 * time.Millisecond}, 200)
	for i, worked := range []time.Duration{time.Millisecond, 4 * time.Millisecond} {
		p.Members()[i].Hear(Load{Known: true, InFlight: 1, Worked: worked}, 0)
		p.Members()[i].note(1, p.now())
	}
	for range 10 {
		lease := pickOne(t, p, Ask{}, nil)
		if lease.Node() != p.Members()[1] {
			t.Fatal("picked the node that has just begun instead of the one that is nearly done")
		}
		lease.Done(Neutral)
		p.Members()[1].turnedAt.Store(int64(p.now() - 4*time.Millisecond))
	}
}

// TestNewsPauseIsBounded: short for few nodes, and no gateway hears more than 100,000 loads a second of many.
func TestNewsPauseIsBounded(t *testing.T) {
	for members, want := range map[int]time.Duration{
		0: 300 * time.Microsecond, 2: 300 * time.Microsecond, 64: 300 * time.Microsecond, 100: time.Millisecond, 1000: 10 * time.Millisecond,
	} {
		if got := NewsPause(members); got != want {
			t.Errorf("NewsPause(%d) = %v, want %v", members, got, want)
		}
	}
}

// TestDeclinesInParallel: whatever is declined, answered and told at once, every lease comes back, no node is tried that declined, and
// exchanges end after as many declines as are allowed.
func TestDeclinesInParallel(t *testing.T) {
	p, h := inCompany(t, LeastLoad, 8)
	var workers sync.WaitGroup
	answers := 0
	var mu sync.Mutex
	for w := range 4 {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(w)))
			for range 2000 {
				var tried Tried
				for {
					lease := pickOne(t, p, Ask{}, &tried)
					h.advance(10 * time.Microsecond)
					n := lease.Node()
					n.Hear(Load{Known: true, Queued: rng.Uint32N(3), InFlight: 1, Worked: time.Microsecond}, int64(rng.IntN(2)))
					if _, conditional := lease.Expects(); !conditional || rng.IntN(2) == 0 {
						lease.Done(Success)
						break
					}
					declineWith(lease, 1+rng.Uint32N(4), &tried)
					if tried.Len() != 0 || tried.Has(n) || tried.declines > DeclinesMost {
						t.Errorf("%d tried, %d declines", tried.Len(), tried.declines)
						return
					}
				}
				mu.Lock()
				answers++
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	successes := 0
	for _, s := range p.Nodes() {
		if s.Inflight != 0 || s.Failures+s.Faults+s.Neutral != 0 || s.Attempts != s.Successes {
			t.Errorf("node %d: %+v", s.Node.index(), s)
		}
		successes += int(s.Successes)
	}
	if successes != answers || answers != 8000 {
		t.Errorf("%d successes, %d answers, want 8000", successes, answers)
	}
}

// TestTriedForgetsWhoDeclined in whatever order they were added, and beyond what it holds in place.
func TestTriedForgetsWhoDeclined(t *testing.T) {
	p, _ := inCompany(t, LeastLoad, 2*triedInline)
	nodes := p.Members()
	for leaves := range nodes {
		var tried Tried
		for _, n := range nodes {
			tried.Add(n)
		}
		tried.decline(nodes[leaves])
		tried.decline(nodes[leaves]) // is nothing
		for i, n := range nodes {
			if tried.Has(n) == (i == leaves) {
				t.Errorf("node %d left: node %d is tried: %v", leaves, i, tried.Has(n))
			}
		}
		tried.Add(nodes[leaves])
		if tried.Len() != len(nodes) || tried.declines != 2 {
			t.Errorf("%d tried, want %d; %d declines", tried.Len(), len(nodes), tried.declines)
		}
	}
}
