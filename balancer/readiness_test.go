package balancer

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// pickOf is who gets n attempts of a model.
func pickOf(t *testing.T, m *Model, n int) []int {
	t.Helper()
	counts := make([]int, len(m.pool.Members()))
	for range n {
		lease, err := m.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		counts[lease.Node().index()]++
		lease.Done(Success)
	}
	return counts
}

func TestANodeIsNotPickedForAModelItLacks(t *testing.T) {
	for _, policy := range allPolicies {
		p := newPool(t, equal(policy, 3), Options{})
		m, other := p.Know("m"), p.Know("other")
		a, b := p.Members()[0], p.Members()[1]
		a.Found(map[string]bool{"m": false, "other": true, "stranger": false})
		b.Found(map[string]bool{"m": true})
		if got := pickOf(t, m, 30); got[0] != 0 {
			t.Errorf("%s: picks of m = %v, want none of node 0", policy, got)
		}
		if got := pickOf(t, other, 60); got[0] == 0 {
			t.Errorf("%s: picks of another model = %v, want node 0 to have its share", policy, got)
		}
		b.Found(map[string]bool{"m": false})
		p.Members()[2].Found(map[string]bool{"m": false})
		if m.Ready() || !other.Ready() {
			t.Errorf("%s: ready: m %t, other %t", policy, m.Ready(), other.Ready())
		}
		if got := pickOf(t, m, 60); got[0] == 0 {
			t.Errorf("%s: picks of a model that nobody has = %v, want all of them to be asked", policy, got)
		}
		a.Found(map[string]bool{"m": true})
		if got := pickOf(t, m, 10); got[0] != 10 || !m.Ready() {
			t.Errorf("%s: picks = %v, want all on the only node that has it now", policy, got)
		}
	}
}

// TestAModelThatIsLoadedAgainHasACleanRecord: what it failed before it was missing does not keep it out.
func TestAModelThatIsLoadedAgainHasACleanRecord(t *testing.T) {
	p, changes := watched(t, equal(RoundRobin, 2), nil)
	m, n := p.Know("m"), p.Members()[0]
	for range 10 {
		lease, err := m.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		lease.Done(map[bool]Outcome{true: Faulty, false: Success}[lease.Node() == n])
	}
	if got := pickOf(t, m, 10); got[0] != 0 {
		t.Fatalf("picks = %v, want none of the broken model", got)
	}
	n.Found(map[string]bool{"m": true})
	if got := pickOf(t, m, 10); got[0] != 0 {
		t.Errorf("picks = %v: that a broken model is ready says nothing new", got)
	}
	n.Found(map[string]bool{"m": false})
	n.Found(map[string]bool{"m": true})
	if got := pickOf(t, m, 10); got[0] != 5 {
		t.Errorf("picks = %v, want its share after it was loaded again", got)
	}
	if got := fmt.Sprint(changes()); got != "[0 open 0 closed]" {
		t.Errorf("changes = %s", got)
	}
}

// TestWhatProbesFindOfModelsOutlivesTheNodesReturn: the probes that find a node ready have asked for its models before.
func TestWhatProbesFindOfModelsOutlivesTheNodesReturn(t *testing.T) {
	p := newPool(t, equal(RoundRobin, 2), Options{})
	m, n := p.Know("m"), p.Members()[0]
	n.Found(map[string]bool{"m": false})
	p.setState(n, Down, errors.New("gone"))
	p.setState(n, Up, nil)
	if got := pickOf(t, m, 10); got[0] != 5 {
		t.Errorf("picks = %v: what a process lacked does not hold for the next", got)
	}
	p.setState(n, Down, errors.New("gone"))
	n.Found(map[string]bool{"m": false})
	p.setState(n, Up, nil)
	if got := pickOf(t, m, 10); got[0] != 0 {
		t.Errorf("picks = %v, want none: the new process lacks the model", got)
	}
}

func TestALackIsForgottenWhenNobodyConfirmsIt(t *testing.T) {
	p, h := timed(t, equal(RoundRobin, 2))
	m := p.Know("m")
	p.Members()[0].Found(map[string]bool{"m": false})
	h.advance(foundTime - time.Second)
	if got := pickOf(t, m, 10); got[0] != 0 {
		t.Errorf("picks = %v", got)
	}
	h.advance(2 * time.Second)
	if got := pickOf(t, m, 10); got[0] != 5 {
		t.Errorf("picks = %v, want attempts to find out", got)
	}
}

// TestAProbeThatCouldNotAskIsNoVerdict: a gateway without descriptors must not take all of its nodes for dead.
func TestAProbeThatCouldNotAskIsNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		p := newPool(t, steady(equal(RoundRobin, 2)), Options{Probe: f.probe})
		defer run(t, p)()
		synctest.Wait()
		for _, n := range p.Members() {
			f.set(n, fmt.Errorf("%w: too many open files", ErrUnasked))
		}
		before := f.probes(p.Members()[0])
		advance(time.Minute)
		for _, s := range p.Nodes() {
			if s.State != Up || s.Cause == "" {
				t.Errorf("state is %s, cause %q; want up, and the cause to be told", s.State, s.Cause)
			}
		}
		if got := f.probes(p.Members()[0]) - before; got < 100 {
			t.Errorf("%d probes in a minute, want those of doubt", got)
		}
	})
}
