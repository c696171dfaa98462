package balancer

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Names come from clients: however many there are, and however long, they must not make anything grow without end.
func TestKnownModelsAreBounded(t *testing.T) {
	for nodes, most := range map[int]int{2: knownMost, 1000: placesMost / 1000} {
		p := newPool(t, equal(RoundRobin, nodes), Options{})
		for i := range most {
			if m := p.Know(fmt.Sprint("model", i)); m.Common() || p.Model(fmt.Sprint("model", i)) != m {
				t.Fatalf("%d nodes: model %d of %d is not known", nodes, i, most)
			}
		}
		if !p.Know("one more").Common() || len(*p.known.Load()) != most {
			t.Errorf("%d nodes: %d models are known, want no more than %d", nodes, len(*p.known.Load()), most)
		}
		if p.Know("model0").Common() {
			t.Errorf("%d nodes: what is known was forgotten", nodes)
		}
	}
	p := newPool(t, equal(RoundRobin, 1), Options{})
	if !p.Know(strings.Repeat("x", nameMost+1)).Common() || !p.Know("").Common() {
		t.Error("a name that is too long, or empty, became known")
	}
	name := []byte("copied")
	known := p.Know(string(name))
	name[0] = 'X'
	if known.Name() != "copied" || p.Model("copied") != known {
		t.Errorf("known as %q", known.Name())
	}
}

// TestModelsKeepToThemselves: what fails for one model on a node leaves the node's others alone; what concerns the node concerns all.
func TestModelsKeepToThemselves(t *testing.T) {
	p := newPool(t, equal(RoundRobin, 2), Options{})
	torn, good := p.Know("torn"), p.Know("good")
	fail := func(m *Model, o Outcome, times int) {
		for range times {
			lease, err := m.Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if lease.Node() == p.Members()[0] {
				lease.Done(o)
			} else {
				lease.Done(Success)
			}
		}
	}
	got := func(m *Model) (counts [2]int) {
		for range 10 {
			lease, err := m.Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			counts[lease.Node().index()]++
			lease.Done(Neutral)
		}
		return counts
	}
	fail(torn, Faulty, 20)
	if a, b := got(torn), got(good); a != [2]int{0, 10} || b != [2]int{5, 5} {
		t.Errorf("after faults of one model it is picked %v, another %v; want none and half", a, b)
	}
	if c := p.Members()[0].Circuit(); c != Closed {
		t.Errorf("the node's circuit is %s though it answers", c)
	}
	fail(good, Failure, 20)
	if a, b := got(good), got(p.Model("")); a != [2]int{0, 10} || b != [2]int{0, 10} {
		t.Errorf("after failures of the node, models are picked %v and %v; want none of either", a, b)
	}
	if c := p.Members()[0].Circuit(); c != Open {
		t.Errorf("the node's circuit is %s though it does not answer", c)
	}
	p.mark(0, Down, nil)
	p.mark(0, Up, nil)
	if a, b := got(torn), got(good); a != [2]int{5, 5} || b != [2]int{5, 5} {
		t.Errorf("after the node came back models are picked %v and %v; want half", a, b)
	}
}

// TestARestIsToldOnce: refusals of attempts that were under way when the first came are no news; the next rest is.
func TestARestIsToldOnce(t *testing.T) {
	p, h := timed(t, equal(RoundRobin, 2))
	m := p.Know("m")
	var under []*Lease
	for range 6 {
		lease, err := m.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if lease.Node() != p.Members()[0] {
			lease.Done(Success)
			continue
		}
		under = append(under, &lease)
	}
	for _, l := range under {
		l.Refused(RetryAfter, 2*time.Second)
		l.Done(Neutral)
	}
	rest := func() ModelStatus { return p.Nodes()[0].Models[0] }
	if s := rest(); s.Rest != 2*time.Second || s.Rests != 1 {
		t.Errorf("rest = %s, %d rests; want 2s and one", s.Rest, s.Rests)
	}
	h.advance(2 * time.Second)
	lease, err := m.Pick(Ask{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lease.Done(Success)
	if g := m.current.Load().groups; len(g) != 1 || len(g[0].nodes) != 2 || rest().Rest != 0 {
		t.Errorf("rest = %s after the time is over, in %d groups", rest().Rest, len(g))
	}
}
