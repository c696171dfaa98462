package balancer

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

var allPolicies = policyNames

// picks counts which nodes n new exchanges get.
func picks(t testing.TB, p *Pool, n int) []int {
	t.Helper()
	counts := make([]int, len(p.Members()))
	for range n {
		counts[attempt(t, p, Neutral).index()]++
	}
	return counts
}

func TestDownNodeIsNeverPicked(t *testing.T) {
	for _, policy := range allPolicies {
		p := newPool(t, equal(policy, 3), Options{})
		p.setState(p.Members()[1], Down, errors.New("gone"))
		if got := picks(t, p, 100); got[1] != 0 || got[0] == 0 || got[2] == 0 {
			t.Errorf("%s: picks = %v, want none of the node that is down", policy, got)
		}
		p.setState(p.Members()[0], Down, errors.New("gone"))
		p.setState(p.Members()[2], Down, errors.New("gone"))
		if lease, err := p.Model("").Pick(Ask{}, nil); !errors.Is(err, ErrNoNode) {
			t.Errorf("%s: with all nodes down, Pick = %v, %v", policy, lease.Node().Address(), err)
		}
		if p.Ready() {
			t.Errorf("%s: ready with all nodes down", policy)
		}
		p.setState(p.Members()[1], Up, nil)
		if got := picks(t, p, 10); got[1] != 10 {
			t.Errorf("%s: picks = %v, want only the node that came back", policy, got)
		}
	}
}

func TestUnknownNodeIsPickedOnlyWithoutOneThatIsUp(t *testing.T) {
	f := &farm{}
	p := newPool(t, equal(LeastConnections, 3), Options{Probe: f.probe})
	if got := picks(t, p, 30); slices.Contains(got, 0) {
		t.Errorf("before any probe: picks = %v, want all nodes tried", got)
	}
	if p.Ready() {
		t.Error("ready before any probe")
	}
	p.setState(p.Members()[2], Up, nil)
	if got := picks(t, p, 30); got[2] != 30 {
		t.Errorf("picks = %v, want only the node known to be up", got)
	}
	// An exchange that has tried that one would rather try an unknown node than give up.
	tried := Tried{}
	tried.Add(p.Members()[2])
	lease, err := p.Model("").Pick(Ask{}, &tried)
	if err != nil {
		t.Fatalf("with the only node that is up tried: %v", err)
	}
	lease.Done(Neutral)
}

func TestDrainingNodeGetsNothingWhileAnotherIsFit(t *testing.T) {
	for _, policy := range allPolicies {
		p := newPool(t, weights(policy, 1, 0, 1), Options{})
		if got := picks(t, p, 100); got[1] != 0 {
			t.Errorf("%s: picks = %v, want none of the draining node", policy, got)
		}
		p.setState(p.Members()[0], Down, nil)
		p.setState(p.Members()[2], Down, nil)
		if got := picks(t, p, 10); got[1] != 10 {
			t.Errorf("%s: picks = %v, want the draining node, having no other", policy, got)
		}
	}
}

func TestExchangeTriesEveryNodeOnceThenGivesUp(t *testing.T) {
	for _, policy := range allPolicies {
		p := newPool(t, weights(policy, 1, 200, 3, 0, 5, 6, 7), Options{})
		p.setState(p.Members()[4], Down, nil)
		exhaust(t, p, p.Members()[5])
		var tried Tried
		var order []int
		for {
			lease, err := p.Model("").Pick(Ask{}, &tried)
			if err != nil {
				break
			}
			order = append(order, lease.Node().index())
			lease.Done(Neutral)
		}
		sorted := slices.Sorted(slices.Values(order))
		if want := []int{0, 1, 2, 3, 5, 6}; !slices.Equal(sorted, want) {
			t.Errorf("%s: tried %v, want each of %v once", policy, order, want)
		}
		// Best standing first: closed circuits, then the draining one, then the open circuit.
		if len(order) == 6 && !slices.Equal(order[4:], []int{3, 5}) {
			t.Errorf("%s: tried %v, want 3 (draining) and then 5 (open) last", policy, order)
		}
	}
}

// TestRetriesOfAFailingNodeAreSpread guards against the neighbour of a failing node getting all of its retries.
func TestRetriesOfAFailingNodeAreSpread(t *testing.T) {
	for _, policy := range allPolicies {
		p := newPool(t, equal(policy, 5), Options{})
		second := make([]int, 5)
		for range 4000 {
			tried := Tried{}
			tried.Add(p.Members()[2])
			lease, _ := p.Model("").Pick(Ask{}, &tried)
			second[lease.Node().index()]++
			lease.Done(Neutral)
		}
		for i, n := range second {
			if want := 1000; i != 2 && (n < want*8/10 || n > want*12/10) {
				t.Errorf("%s: retries of node 2 went to %v, want about %d each", policy, second, want)
				break
			}
		}
	}
}

// TestParallelPicks lets nodes come and go while many exchanges pick, and holds every pick against what was known before
// it began.
func TestParallelPicks(t *testing.T) {
	for _, policy := range allPolicies {
		t.Run(policy, func(t *testing.T) {
			p := newPool(t, weights(policy, 1, 2, 3, 4, 1, 1), Options{})
			// Odd = the node is down and everybody has been told.
			var epochs [6]atomic.Int64
			stop := make(chan struct{})
			var churn, pickers sync.WaitGroup
			churn.Go(func() {
				rng := rand.New(rand.NewPCG(1, 2))
				for {
					select {
					case <-stop:
						return
					default:
					}
					n := p.Members()[1+rng.IntN(5)] // node 0 stays up: somebody is always fit
					p.setState(n, Down, nil)
					epochs[n.index()].Add(1)
					epochs[n.index()].Add(1)
					p.setState(n, Up, nil)
				}
			})
			for w := range 4 {
				pickers.Go(func() { pickAndCheck(t, p, &epochs, uint64(w)) })
			}
			pickers.Wait()
			close(stop)
			churn.Wait()
			for _, n := range p.Members() {
				if n.Inflight() != 0 {
					t.Errorf("node %d has %d leases in flight after all are done", n.index(), n.Inflight())
				}
			}
		})
	}
}

func pickAndCheck(t *testing.T, p *Pool, epochs *[6]atomic.Int64, seed uint64) {
	rng := rand.New(rand.NewPCG(3, seed))
	outcomes := []Outcome{Success, Success, Success, Failure, Neutral}
	for range 3000 {
		var tried Tried
		for try := range 3 {
			var before [6]int64
			for i := range before {
				before[i] = epochs[i].Load()
			}
			had := tried
			lease, err := p.Model("").Pick(Ask{}, &tried)
			if err != nil {
				if try == 0 {
					t.Error("no node for a first attempt, though node 0 is up")
				}
				break
			}
			n := lease.Node()
			if had.Has(n) {
				t.Errorf("node %d picked twice by one exchange", n.index())
			}
			if now := epochs[n.index()].Load(); now == before[n.index()] && now%2 == 1 {
				t.Errorf("node %d picked while it was down", n.index())
			}
			lease.Done(outcomes[rng.IntN(len(outcomes))])
		}
	}
}
