package balancer

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// condition is one thing that can be said of a node, or of a model on it, and how far back it puts it.
type condition struct {
	name string
	rank standing
	set  func(pl *placement, on bool)
}

// conditions by what they do to the node's standing, the mildest first. A circuit that is not closed is not among them: it is
// the outcomes' doing.
func conditions() []condition {
	return []condition{
		{"ejected", ejected, func(pl *placement, on bool) { pl.ejected.Store(on); pl.model.publish() }},
		{"resting", resting, func(pl *placement, on bool) {
			pl.rests.Store(0)
			if on {
				pl.rest(pl.model.pool.now(), restMost)
			} else {
				pl.model.publish()
			}
		}},
		{"drained", draining, func(pl *placement, on bool) {
			if err := pl.model.pool.Drain(pl.node.address, on); err != nil {
				panic(err)
			}
		}},
		{"leaving", draining, func(pl *placement, on bool) {
			if on {
				pl.node.Goaway()
			} else {
				pl.node.stays()
			}
		}},
		{"missing", missing, func(pl *placement, on bool) { pl.node.Found(map[string]bool{pl.model.name: !on}) }},
		{"down", standings, func(pl *placement, on bool) {
			// Not setState: a node that comes up again is forgiven everything, which would hide the other conditions.
			p := pl.model.pool
			p.control.Lock()
			defer p.control.Unlock()
			pl.node.state.Store(uint32(map[bool]State{true: Down, false: Up}[on]))
			p.changed(pl.node)
		}},
	}
}

// TestTheWorstOfAllThatHoldsCounts gives two nodes every pair of conditions: the better one is picked, and a node that is down
// is not even when it is the last.
func TestTheWorstOfAllThatHoldsCounts(t *testing.T) {
	for _, policy := range allPolicies {
		for _, one := range conditions() {
			for _, other := range conditions() {
				p, _ := timed(t, equal(policy, 2))
				m := p.Know("m")
				a, b := m.place(p.Members()[0]), m.place(p.Members()[1])
				one.set(a, true)
				other.set(b, true)
				for range 4 {
					lease, err := m.Pick(Ask{Key: 1}, nil)
					if one.rank == standings && other.rank == standings {
						if !errors.Is(err, ErrNoNode) {
							t.Errorf("%s: both nodes are down, picking says %v", policy, err)
						}
						continue
					}
					if err != nil {
						t.Fatalf("%s: %s and %s: %v", policy, one.name, other.name, err)
					}
					if one.rank < other.rank && lease.Node() != a.node || one.rank > other.rank && lease.Node() != b.node {
						t.Errorf("%s: of one that is %s and one that is %s, the worse was picked", policy, one.name, other.name)
					}
					lease.Done(Success)
				}
			}
		}
	}
}

// TestConditionsOfOneModelAreNotThoseOfAnother: resting, missing and ejected hold for one model; drained and down for all.
func TestConditionsOfOneModelAreNotThoseOfAnother(t *testing.T) {
	for _, c := range conditions() {
		p, _ := timed(t, equal(RoundRobin, 2))
		m, other := p.Know("m"), p.Know("other")
		c.set(m.place(p.Members()[0]), true)
		got := [2]int{}
		for range 10 {
			lease, err := other.Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got[lease.Node().index()]++
			lease.Done(Success)
		}
		forAll := c.rank == draining || c.rank == standings
		if forAll && got[0] != 0 || !forAll && got[0] != 5 {
			t.Errorf("a node is %s for one model, and got %d of 10 attempts of another", c.name, got[0])
		}
	}
}

// TestNobodyIsPickedWhileABetterOneIsThere changes conditions while many pick. A pick during which nothing has changed must have
// taken a node of the best standing among those that its exchange had not tried.
func TestNobodyIsPickedWhileABetterOneIsThere(t *testing.T) {
	for _, policy := range allPolicies {
		t.Run(policy, func(t *testing.T) {
			p, _ := timed(t, weights(policy, 1, 2, 3, 1, 1, 1))
			m := p.Know("m")
			var changes atomic.Int64 // odd = one is under way
			stop := make(chan struct{})
			var churn, pickers sync.WaitGroup
			churn.Go(func() {
				rng := rand.New(rand.NewPCG(5, 6))
				for {
					select {
					case <-stop:
						return
					default:
					}
					pl := placeOf(p, m, rng.IntN(6))
					all := conditions()
					changes.Add(1)
					all[rng.IntN(len(all))].set(pl, rng.IntN(2) == 0)
					changes.Add(1)
					time.Sleep(50 * time.Microsecond) // so that some picks see no change
				}
			})
			var judged atomic.Int64
			for range 4 {
				pickers.Go(func() {
					for range 1500 {
						judged.Add(pickTheBest(t, m, &changes))
					}
				})
			}
			pickers.Wait()
			close(stop)
			churn.Wait()
			if judged.Load() < 100 {
				t.Logf("only %d picks saw no change: the machine is busy", judged.Load())
			}
		})
	}
}

func placeOf(p *Pool, m *Model, at int) *placement {
	p.control.Lock()
	defer p.control.Unlock()
	return m.place(p.Members()[at])
}

// pickTheBest makes an exchange of three attempts, and reports how many of them could be judged.
func pickTheBest(t *testing.T, m *Model, changes *atomic.Int64) (judged int64) {
	var tried Tried
	for range 3 {
		had := tried
		before := changes.Load()
		lease, err := m.Pick(Ask{}, &tried)
		best, picked := standings, standings
		for at, n := range m.pool.Members() {
			if had.Has(n) {
				continue
			}
			st, _ := placeOf(m.pool, m, at).standing(m.pool.now())
			best = min(best, st)
			if err == nil && n == lease.Node() {
				picked = st
			}
		}
		if err == nil {
			lease.Done(Neutral)
		}
		if before%2 == 1 || changes.Load() != before {
			continue
		}
		judged++
		if picked != best || (err != nil) != (best == standings) {
			t.Errorf("picked a node that is %s, %v, while one is %s", picked, err, best)
		}
	}
	return judged
}
