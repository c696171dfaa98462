package balancer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExplainNamesWhoIsPicked holds what is explained against what the next pick does, for every policy, over states that are
// drawn at random: loads, weights, limits, drains, circuits, missing models and tried nodes.
func TestExplainNamesWhoIsPicked(t *testing.T) {
	for _, policy := range policyNames {
		rng := rand.New(rand.NewPCG(11, 11))
		for round := range 150 {
			ws := make([]int, 1+rng.IntN(9))
			for i := range ws {
				ws[i] = 1 + rng.IntN(1+rng.IntN(3))
			}
			p, h := timed(t, weights(policy, ws...))
			m := p.Know("m")
			h.advance(10 * time.Second)
			held := disturb(t, m, h, rng)
			for range 10 {
				checkExplained(t, m, fmt.Sprintf("%s, round %d", policy, round), rng)
				h.advance(time.Duration(rng.IntN(50)) * time.Millisecond)
			}
			for _, l := range held {
				l.Done(Neutral)
			}
		}
	}
}

// disturb puts the nodes into any states, and returns the leases that are out.
func disturb(t *testing.T, m *Model, h *hands, rng *rand.Rand) (held []*Lease) {
	t.Helper()
	p := m.pool
	for range rng.IntN(40) {
		lease, err := m.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		lease.Node().Report(Load{Known: rng.IntN(2) == 0, Queued: uint32(rng.IntN(5)), InFlight: uint32(rng.IntN(2))})
		h.advance(time.Duration(rng.IntN(20)) * time.Millisecond)
		if rng.IntN(3) == 0 {
			held = append(held, &lease)
			continue
		}
		lease.Done(Outcome(1 + rng.IntN(4)))
	}
	for _, n := range p.Members() {
		switch rng.IntN(8) {
		case 0:
			p.Mark(n.Address(), Down, errors.New("refused"))
		case 1:
			if err := p.Drain(n.Address(), true); err != nil {
				t.Fatal(err)
			}
		case 2:
			n.limit.Store(1 + int64(rng.IntN(3)))
		}
	}
	return held
}

func checkExplained(t *testing.T, m *Model, name string, rng *rand.Rand) {
	t.Helper()
	ask := Ask{Key: uint64(rng.IntN(3)) * rng.Uint64(), Stick: rng.IntN(5) == 0}
	var tried Tried
	members := m.pool.Members()
	if rng.IntN(2) == 0 {
		tried.Add(members[rng.IntN(len(members))])
	}
	e := m.Explain(ask, &tried)
	if again := m.Explain(ask, &tried); again.Picked != e.Picked {
		t.Fatalf("%s: explaining changed who is picked", name)
	}
	lease, err := m.Pick(ask, &tried)
	if err != nil {
		if e.Picked != nil || !errors.Is(e.Err, err) {
			t.Fatalf("%s: explained %v (%v), picking said %v", name, e.Picked, e.Err, err)
		}
		return
	}
	if e.Picked != lease.Node() {
		t.Fatalf("%s: explained %v (%v), picked %s\n%+v", name, e.Picked, e.Err, lease.Node().Address(), e)
	}
	if e.Trial != lease.Trial() {
		t.Fatalf("%s: explained trial %v, picked trial %v", name, e.Trial, lease.Trial())
	}
	checkScores(t, &e, name)
	lease.Done(Neutral)
}

// checkScores wants nobody to have a better score than the one who is picked, unless he is out.
func checkScores(t *testing.T, e *Explanation, name string) {
	t.Helper()
	if e.Trial || e.Sticks || e.Policy == ConsistentHash {
		return
	}
	best, picked := 1e18, -1.0
	for _, c := range e.Candidates {
		if c.Score == nil || !c.Chosen {
			continue
		}
		if c.Node == e.Picked {
			picked = c.Score.Value
		}
		if len(c.Out) == 0 {
			best = min(best, c.Score.Value)
		}
	}
	if picked > best+1e-9 {
		t.Errorf("%s: picked with score %v, the best is %v", name, picked, best)
	}
}

// TestExplainSaysWhyNodesAreOut in words for people.
func TestExplainSaysWhyNodesAreOut(t *testing.T) {
	p, h := timed(t, weights(LeastLoad, 1, 1, 0, 1, 1, 1, 1))
	m := p.Know("m")
	nodes := p.Members()
	p.Mark(nodes[1].Address(), Down, errors.New("connection refused"))
	for nodes[3].Circuit() == Closed && m.place(nodes[3]).circuit() == Closed {
		lease, err := m.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if lease.Node() == nodes[3] {
			lease.Done(Faulty)
		} else {
			lease.Done(Success)
		}
		h.advance(time.Millisecond)
	}
	if err := p.Drain(nodes[4].Address(), true); err != nil {
		t.Fatal(err)
	}
	nodes[5].Goaway()
	nodes[6].limit.Store(1)
	lease := on(t, m, nodes[6])
	defer lease.Done(Neutral)
	e := m.Explain(Ask{}, nil)
	for i, want := range []string{"", "connection refused", "weight 0", "open for this model", "by an operator", "by its own word", "at its limit of 1"} {
		c := e.Candidates[i]
		out := strings.Join(c.Out, "; ")
		if want == "" && out != "" || !strings.Contains(out, want) {
			t.Errorf("node %d: %q, want %q", i, out, want)
		}
	}
	if e.Picked != nodes[0] {
		t.Errorf("picked %v", e.Picked)
	}
}

// on picks until the node is the one.
func on(t *testing.T, m *Model, n *Node) *Lease {
	t.Helper()
	for range 100 {
		lease, err := m.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if lease.Node() == n {
			return &lease
		}
		lease.Done(Neutral)
	}
	t.Fatal("it is never picked")
	return nil
}

// TestExplainSaysThatALargePoolIsSampled: nobody can tell who is picked then.
func TestExplainSaysThatALargePoolIsSampled(t *testing.T) {
	p := newPool(t, equal(LeastLoad, 200), Options{})
	if e := p.Model("").Explain(Ask{}, nil); !e.Sampled || e.Picked == nil {
		t.Errorf("%+v", e)
	}
}

// TestExplainHasAWordForEveryStanding: an operator who reads why a node gets nothing must not read an empty word.
func TestExplainHasAWordForEveryStanding(t *testing.T) {
	for st := sound; st <= standings; st++ {
		if st.String() == "" {
			t.Errorf("standing %d has no word", st)
		}
	}
	p := newPool(t, equal(LeastLoad, 2), Options{})
	p.Members()[1].Suspect()
	c := p.common.Explain(Ask{}, nil).Candidates[1]
	if c.Standing != "no sign of life" || !slices.Contains(c.Out, "gives no sign of life") {
		t.Errorf("of a node that is suspected people read %q, %q", c.Standing, c.Out)
	}
}
