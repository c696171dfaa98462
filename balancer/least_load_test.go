package balancer

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hands is a clock that tests turn.
type hands struct{ ns atomic.Int64 }

func (h *hands) Now() time.Time          { return time.Unix(1_800_000_000, h.ns.Load()) }
func (h *hands) advance(d time.Duration) { h.ns.Add(int64(d)) }

// timed makes a pool that goes by the clock, and draws the same numbers each time.
func timed(t testing.TB, cfg Config) (*Pool, *hands) {
	t.Helper()
	h := &hands{}
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	return newPool(t, cfg, Options{Now: h.Now, Rand: func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return rng.Uint64()
	}}), h
}

// answer makes an attempt on whatever node is chosen, which answers with that load.
func answer(t testing.TB, p *Pool, l Load) *Node {
	t.Helper()
	lease, err := p.Model("").Pick(Ask{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lease.Node().Report(l)
	lease.Done(Success)
	return lease.Node()
}

func TestLeastLoadAvoidsWhatOthersKeepBusy(t *testing.T) {
	p, h := timed(t, equal(LeastLoad, 3))
	busy := answer(t, p, Load{Known: true, Queued: 30, InFlight: 1})
	if got := picks(t, p, 100); got[busy.index()] != 0 {
		t.Errorf("picks = %v, want none of node %d, which says it is busy", got, busy.index())
	}
	// Its word is worth less and less, and after some seconds nothing.
	h.advance(5 * time.Second)
	if got := picks(t, p, 90); got[busy.index()] < 25 {
		t.Errorf("picks = %v, want node %d to have its share when its word is old", got, busy.index())
	}
}

func TestLeastLoadDoesNotCountItsOwnTwice(t *testing.T) {
	p, _ := timed(t, equal(LeastLoad, 2))
	var held []*Lease
	for range 20 {
		lease, err := p.Model("").Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, &lease)
	}
	// One node answers and says that it holds what this gateway has sent it; the other has not answered yet.
	first := held[0].Node()
	first.Report(Load{Known: true, Queued: 9, InFlight: 1})
	held[0].Done(Success)
	lease, err := p.Model("").Pick(Ask{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lease.Node() != first {
		t.Errorf("picked the node with 10 leases in flight instead of the one with 9")
	}
	lease.Done(Success)
	for _, l := range held[1:] {
		l.Done(Success)
	}
}

// TestLeastLoadMeansLeast holds choices against all that is known, at random, in one go: in flight and what others have.
func TestLeastLoadMeansLeast(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 2000 {
		ws := make([]int, 1+rng.IntN(10))
		for i := range ws {
			ws[i] = 1 + rng.IntN(4)
		}
		p, h := timed(t, weights(LeastLoad, ws...))
		h.advance(time.Second)
		load := func(n *Node) float64 { return float64(n.Inflight()+n.load.foreign(p.now())) / float64(n.Weight()) }
		for _, n := range p.Members() {
			n.inflight.Store(int64(rng.IntN(5)))
			if rng.IntN(3) > 0 {
				n.Report(Load{Known: true, Queued: uint32(rng.IntN(12)), InFlight: uint32(rng.IntN(3))})
			}
			h.advance(time.Duration(rng.IntN(300)) * time.Millisecond)
		}
		least := load(p.Members()[0])
		for _, n := range p.Members() {
			least = min(least, load(n))
		}
		g := &p.common.current.Load().groups[0]
		if n := p.common.policy.choose(g, ask{now: p.now()}).node; load(n) != least {
			t.Fatalf("weights %v: chose load %v, the least is %v", ws, load(n), least)
		}
	}
}

// TestLeastLoadInParallel: what a node once said does not keep it out for ever, and every lease is accounted for.
func TestLeastLoadInParallel(t *testing.T) {
	p, h := timed(t, equal(LeastLoad, 8))
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(9, uint64(w)))
			for range 5000 {
				answer(t, p, Load{Known: true, Queued: uint32(rng.IntN(4)), InFlight: 1})
				h.advance(time.Millisecond)
			}
		})
	}
	workers.Wait()
	for _, s := range p.Nodes() {
		if s.Attempts < 5 || s.Inflight != 0 {
			t.Errorf("node %d got %d of 20000 attempts in 20 s, %d in flight", s.Node.index(), s.Attempts, s.Inflight)
		}
	}
}

// TestLeastLoadKnowsSlowNodes: of equal weights, and one node that takes ten times as long.
func TestLeastLoadKnowsSlowNodes(t *testing.T) {
	p, h := timed(t, unjudged(equal(LeastLoad, 4)))
	ms := time.Millisecond
	takes := []time.Duration{5 * ms, 5 * ms, 50 * ms, 5 * ms}
	serve(t, p, h, takes, 200) // gets to know them
	got := serve(t, p, h, takes, 2000)
	if got[2] < 3 || got[2] > 40 {
		t.Errorf("attempts = %v, want about one a second for the slow node", got)
	}
	takes[2] = 5 * ms
	serve(t, p, h, takes, 4000)
	if got := serve(t, p, h, takes, 2000); got[2] < 350 {
		t.Errorf("attempts = %v, want the node that has recovered to have its share", got)
	}
	// Where weights differ they say how quick nodes are, and the answers do not.
	p, h = timed(t, unjudged(weights(LeastLoad, 1, 1, 2, 1)))
	takes[2] = 50 * ms
	serve(t, p, h, takes, 200)
	if got := serve(t, p, h, takes, 1000); got[2] < 380 {
		t.Errorf("attempts = %v, want two fifths for the node of weight 2", got)
	}
}

// TestQuickRefusalsAttractNothing: a node that lacks the model refuses at once, and must not look quick, nor the other slow.
func TestQuickRefusalsAttractNothing(t *testing.T) {
	for _, policy := range []string{LeastLoad, PeakEWMA} {
		p, h := timed(t, equal(policy, 2))
		serve(t, p, h, []time.Duration{5 * time.Millisecond, 5 * time.Millisecond}, 100)
		refused := 0
		for range 2000 {
			lease, err := p.Model("").Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if lease.Node().index() == 0 {
				h.advance(100 * time.Microsecond)
				lease.Untimed()
				refused++
			} else {
				h.advance(5 * time.Millisecond)
			}
			lease.Done(Success)
		}
		if refused > 1100 {
			t.Errorf("%s: %d of 2000 attempts went to the node that refuses", policy, refused)
		}
	}
}

// TestLargeGroupIsSampled: among a thousand nodes, one pick does not look at all, but many picks reach everybody, and a busy
// node gets next to nothing.
func TestLargeGroupIsSampled(t *testing.T) {
	for _, policy := range []string{LeastConnections, LeastLoad, PeakEWMA} {
		p, _ := timed(t, equal(policy, 1000))
		busy := p.Members()[500]
		busy.inflight.Store(50)
		counts := picks(t, p, 5000)
		reached := 0
		for i, n := range counts {
			if n > 0 {
				reached++
			}
			if n > 30 {
				t.Errorf("%s: node %d got %d of 5000 picks, want about 5", policy, i, n)
			}
		}
		if reached < 950 {
			t.Errorf("%s: 5000 picks reached %d of 1000 nodes", policy, reached)
		}
		if counts[busy.index()] != 0 {
			t.Errorf("%s: the busy node got %d", policy, counts[busy.index()])
		}
	}
}

// TestLeastLoadPrefersWhoWillBeDoneFirst: of two nodes that hold as much, the one that has worked longest on it, as long as nobody
// else sends them work: then nobody knows.
func TestLeastLoadPrefersWhoWillBeDoneFirst(t *testing.T) {
	for _, company := range []bool{false, true} {
		p, h := timed(t, equal(LeastLoad, 4))
		serve(t, p, h, []time.Duration{5 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond}, 200)
		m := p.Model("")
		if company {
			n := p.Members()[3]
			n.Report(Load{Known: true, Queued: 3, InFlight: 1})
			n.Report(Load{Known: true})
		}
		first := 0
		for range 40 {
			var order []*Lease
			for range 4 {
				lease, err := m.Pick(Ask{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				order = append(order, &lease)
				h.advance(time.Millisecond)
			}
			order[0].Node().turn.Add(turnUnit) // else it would be its turn
			fifth, err := m.Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if fifth.Node() == order[0].Node() {
				first++
			}
			fifth.Done(Neutral)
			for _, l := range order {
				l.Done(Neutral)
			}
		}
		if !company && first != 40 || company && first > 20 {
			t.Errorf("with company %v: the node that had worked longest was picked %d of 40 times", company, first)
		}
	}
}

// TestWhatAllHearMakesNobodyIdle: news that goes to every gateway at once must not send all of them to the same node; an answer,
// which one of them gets, may.
func TestWhatAllHearMakesNobodyIdle(t *testing.T) {
	p, _ := timed(t, equal(LeastLoad, 2))
	n := p.Members()[0]
	n.Hear(Load{Known: true, Queued: 8, InFlight: 8}, 1) // one that batches: a part of the truth at a time
	if got := n.load.foreign(p.now()); got != 2 {
		t.Errorf("heard once of 8 requests of others: %d", got)
	}
	n.Hear(Load{Known: true, Queued: 4, InFlight: 1}, 2)
	if got := n.load.foreign(p.now()); got != 3 {
		t.Errorf("heard of 5 requests, 2 of them ours: %d of others", got)
	}
	n.Hear(Load{Known: true}, 0)
	if got := n.load.foreign(p.now()); got != 1 {
		t.Errorf("heard that it is idle: %d of others, want 1", got)
	}
	n.Report(Load{Known: true})
	if got := n.load.foreign(p.now()); got != 0 {
		t.Errorf("it answered that it is idle: %d of others", got)
	}
	n.Hear(Load{Known: true}, 0)
	if got := n.load.foreign(p.now()); got != 0 {
		t.Errorf("it was idle and is heard to be: %d of others", got)
	}
}

// TestANodeThatWasSlowGetsItsShareBack is about nodes whose answers take the same time however much they hold, as those with
// batches and cores to spare do. One that holds little for having been slow must not look slow for holding little, for ever:
// after four seconds it has its share again.
func TestANodeThatWasSlowGetsItsShareBack(t *testing.T) {
	p, h := timed(t, equal(LeastLoad, 4))
	rng := rand.New(rand.NewPCG(2, 1))
	const latency, concurrency, each = 10 * time.Millisecond, 48, 10_000
	var agenda leases
	got := [4]int{}
	for i := range 5 * each { // at 4,800 a second
		agenda.advance(h, time.Duration(rng.ExpFloat64()*float64(latency)/concurrency))
		lease, err := p.Model("").Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		takes := latency
		if lease.Node().index() == 0 && i >= each && i < 2*each {
			takes *= 3
		}
		agenda.plan(&lease, h.Now().Add(takes))
		if got[lease.Node().index()]++; i == 2*each-1 && got[0] > each/4*3/2 {
			t.Errorf("picks = %v, want few of the slow node: the test shows nothing", got)
		}
		if i == 4*each-1 {
			clear(got[:])
		}
	}
	if got[0] < each/4*8/10 {
		t.Errorf("picks = %v of the last %d, want a quarter of the node that is no longer slow", got, each)
	}
	agenda.advance(h, time.Hour)
}

// TestAnIdlePoolBelievesANodeThatIsWellAgain is about nodes with little to do, where one that was slow is only asked when it has been
// left alone for long: one good answer leads to the next, so that it need not be left alone eight times.
func TestAnIdlePoolBelievesANodeThatIsWellAgain(t *testing.T) {
	cfg := equal(LeastLoad, 3)
	cfg.Outlier.LatencyFactor = 0 // which is quick, too, but costs the node all of its share meanwhile
	p, h := timed(t, cfg)
	rng := rand.New(rand.NewPCG(3, 1))
	const latency, rate, second = 2 * time.Millisecond, 200, 200
	var agenda leases
	play := func(seconds int, factor float64) (share float64) {
		got := 0
		for range seconds * second {
			agenda.advance(h, time.Duration(rng.ExpFloat64()*float64(time.Second)/rate))
			lease, err := p.Model("").Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			takes := float64(latency) * (0.8 + 0.4*rng.Float64())
			if lease.Node().index() == 0 {
				takes *= factor
				got++
			}
			agenda.plan(&lease, h.Now().Add(time.Duration(takes)))
		}
		return float64(got) / float64(seconds*second)
	}
	play(5, 1)
	play(2, 10)
	if share := play(5, 10); share > 0.05 {
		t.Errorf("a node that is ten times as slow gets %.2f of the requests: the test shows nothing", share)
	}
	play(2, 1)
	if share := play(2, 1); share < 0.8/3 {
		t.Errorf("two seconds after it is well, the node gets %.2f of the requests, want a third", share)
	}
	agenda.advance(h, time.Hour)
}

// leases are those that are to end at a time, in its order.
type leases []struct {
	lease *Lease
	at    time.Time
}

func (a *leases) plan(l *Lease, at time.Time) {
	i := len(*a)
	for i > 0 && (*a)[i-1].at.After(at) {
		i--
	}
	*a = slices.Insert(*a, i, struct {
		lease *Lease
		at    time.Time
	}{l, at})
}

// advance lets time pass, and leases end when theirs has come.
func (a *leases) advance(h *hands, d time.Duration) {
	until := h.Now().Add(d)
	for len(*a) > 0 && !(*a)[0].at.After(until) {
		h.advance((*a)[0].at.Sub(h.Now()))
		(*a)[0].lease.Done(Success)
		*a = (*a)[1:]
	}
	h.advance(until.Sub(h.Now()))
}
