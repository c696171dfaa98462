package balancer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var errGone = errors.New("gone")

// many is a pool of so many nodes that it does not publish each change of one of them.
func many(t testing.TB, policy string, nodes int) (*Pool, *hands) {
	t.Helper()
	p, h := timed(t, equal(policy, nodes))
	h.advance(p.pause())
	return p, h
}

// TestDeathsAtOnceArePublishedTogether has all nodes of a large pool die within a time, and come back in as long, and counts the
// snapshots that pickers get to see meanwhile: as many as fit into that time, however many nodes there are.
func TestDeathsAtOnceArePublishedTogether(t *testing.T) {
	for _, nodes := range []int{fieldMost + 1, 1000, 5000} {
		p, h := many(t, LeastLoad, nodes)
		models := []*Model{p.Know("a"), p.Know("b")}
		seen := map[*snapshot]bool{}
		began := p.now()
		for _, state := range []State{Down, Up} {
			for i, n := range p.Members() {
				p.setState(n, state, errGone)
				for _, m := range models {
					if lease, err := m.Pick(Ask{}, nil); err == nil {
						if lease.Node().State() == Down {
							t.Fatalf("%d nodes: picked one that is down", nodes)
						}
						lease.Done(Success)
					} else if state == Down && i < nodes-1 {
						t.Fatalf("%d nodes, %d of them down: %v", nodes, i+1, err)
					}
					seen[m.current.Load()] = true
				}
				h.advance(10 * time.Millisecond / time.Duration(nodes))
			}
		}
		most := int((p.now()-began)/p.pause()) + 1 + len(models)
		if len(seen) > most {
			t.Errorf("%d nodes: %d snapshots for %d changes, want %d at most", nodes, len(seen), 2*nodes, most)
		}
		h.advance(2 * p.pause())
		for _, m := range models {
			lease, err := m.Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			lease.Done(Success)
			h.advance(2 * p.pause())
			_, _ = m.look()
			if g := m.current.Load().groups; len(g) != 1 || len(g[0].nodes) != nodes {
				t.Errorf("%d nodes: not all are back for model %s", nodes, m.Name())
			}
		}
	}
}

// TestNodesThatBecameWorseAreNotPickedMeanwhile makes all nodes of a large pool but one worse while its clock stands still, so that
// no snapshot is made of it: whatever the policy, the one that is left gets all. When that one is no better either, somebody is still
// picked, unless all are down.
func TestNodesThatBecameWorseAreNotPickedMeanwhile(t *testing.T) {
	worse := map[string]func(p *Pool, n *Node){
		"down":     func(p *Pool, n *Node) { p.setState(n, Down, errGone) },
		"suspect":  func(_ *Pool, n *Node) { n.Suspect() },
		"drained":  func(p *Pool, n *Node) { _ = p.Drain(n.Address(), true) },
		"leaving":  func(_ *Pool, n *Node) { n.Goaway() },
		"circuits": func(_ *Pool, n *Node) { fail(n) },
	}
	for _, policy := range allPolicies {
		for name, worsen := range worse {
			for _, ask := range []Ask{{Key: 7}, {Key: 7, Stick: true}} {
				p, _ := many(t, policy, fieldMost+6)
				m, nodes := p.Know("m"), p.Members()
				if _, err := m.Pick(ask, nil); err != nil { // what was due is done
					t.Fatal(err)
				}
				p.quiet = time.Hour
				before := m.current.Load()
				last := nodes[13]
				for _, n := range nodes {
					if n != last {
						worsen(p, n)
					}
				}
				for range 20 {
					if lease, err := m.Pick(ask, nil); err != nil || lease.Node() != last {
						t.Fatalf("%s, %s, %+v: picked %v, %v; want the node that is left", policy, name, ask, lease.place, err)
					}
				}
				worsen(p, last)
				lease, err := m.Pick(ask, nil)
				if (name == "down") != errors.Is(err, ErrNoNode) || err == nil && lease.Node().State() == Down {
					t.Errorf("%s, %s, %+v: all are worse, and the pick says %v", policy, name, ask, err)
				}
				if m.current.Load() != before {
					t.Fatal("a snapshot was made after all: the test tests nothing")
				}
			}
		}
	}
}

// fail opens the node's circuit.
func fail(n *Node) {
	b := n.breaker.Load()
	for b.circuit() == Closed {
		b.record(b.mirror.Load(), Failure, n.pool.now())
	}
	if b.news() {
		n.pool.nodeTurned(n)
	}
}

// TestFullNodesAreWaitedForBesideOnesThatBecameWorse fills the only node of a large pool that is well: there is somebody to wait for.
func TestFullNodesAreWaitedForBesideOnesThatBecameWorse(t *testing.T) {
	cfg := equal(LeastConnections, fieldMost+6)
	cfg.MaxInflight = 1
	p, _ := timed(t, cfg)
	m, nodes := p.Know("m"), p.Members()
	p.quiet = time.Hour
	for _, n := range nodes[1:] {
		fail(n)
	}
	lease, err := m.Pick(Ask{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Pick(Ask{}, nil); !errors.Is(err, ErrFull) {
		t.Errorf("the only node that is well is full: %v, want %v", err, ErrFull)
	}
	p.setState(nodes[0], Down, errGone)
	if _, err := m.Pick(Ask{}, nil); err != nil {
		t.Errorf("the only node that was well is down: %v, want one of those whose circuits are open", err)
	}
	lease.Done(Success)
}

// TestReadinessIsKnownWithoutPicks asks a large pool that nobody picks from whether a model is ready.
func TestReadinessIsKnownWithoutPicks(t *testing.T) {
	p, h := many(t, LeastLoad, fieldMost+6)
	m := p.Know("m")
	for _, has := range []bool{false, true} {
		for _, n := range p.Members() {
			n.Found(map[string]bool{"m": has})
		}
		h.advance(2 * p.pause())
		if m.Ready() != has {
			t.Errorf("all nodes said of the model %v, and it is ready: %v", has, m.Ready())
		}
	}
}

// TestTrialsOfManyNodesAreFound opens the circuits of many nodes, of which one is due for its trial: it gets one, however many pickers
// have to come by, and who finds none allocates nothing.
func TestTrialsOfManyNodesAreFound(t *testing.T) {
	p, h := many(t, LeastLoad, 4*fieldMost)
	nodes := p.Members()
	for _, n := range nodes[1:] {
		fail(n)
		n.breaker.Load().trialAt.Store(int64(time.Hour))
	}
	h.advance(time.Second)
	pick := func() bool {
		lease, err := p.common.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.advance(time.Microsecond)
		lease.Done(Success)
		return lease.Trial()
	}
	if pick() {
		t.Error("a trial was granted that is not due")
	}
	if got := testing.AllocsPerRun(100, func() { pick() }); got != 0 && !raceEnabled {
		t.Errorf("a pick that finds no trial allocates %v times", got)
	}
	nodes[123].breaker.Load().trialAt.Store(0)
	for i := 0; !pick(); i++ {
		if i == 1000 {
			t.Fatalf("no trial in %d picks for the node that is due", i)
		}
	}
	if nodes[123].Circuit() != Closed {
		t.Errorf("its circuit is %s after a good trial", nodes[123].Circuit())
	}
}

// TestUnknownMembersAreNotListedByTheThousand: an operator who mistypes an address is told of the members, not flooded.
func TestUnknownMembersAreNotListedByTheThousand(t *testing.T) {
	p := newPool(t, equal(LeastLoad, 1000), Options{})
	_, err := p.Find("10.9.9.9:9000")
	if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "10.0.0.16:9000 and 984 more") {
		t.Errorf("Find of a stranger = %v", err)
	}
}

// TestNobodyIsSparedWhenAllAreSilent: who gives no sign of life is given up for another node only if there is one.
func TestNobodyIsSparedWhenAllAreSilent(t *testing.T) {
	for _, size := range []int{2, fieldMost + 6} {
		p, h := many(t, LeastLoad, size)
		nodes := p.Members()
		for i, n := range nodes {
			n.Suspect()
			h.advance(time.Millisecond)
			if got, want := nodes[0].Spared(), i < size-1; got != want {
				t.Errorf("%d of %d nodes are silent: spared %v, want %v", i+1, size, got, want)
			}
		}
		_ = p.Drain(nodes[1].Address(), true)
		nodes[1].Trust()
		if nodes[0].Spared() {
			t.Error("a node that drains is no reason to give up another")
		}
		_ = p.Drain(nodes[1].Address(), false)
		h.advance(time.Millisecond)
		if !nodes[0].Spared() || nodes[1].Spared() {
			t.Error("one node is well again: the others can be spared, and it cannot")
		}
	}
}

// BenchmarkAllDieAndComeBack is what it costs that all nodes of a pool die at once and come back, as probes find it out, with a
// request after each verdict.
func BenchmarkAllDieAndComeBack(b *testing.B) {
	for _, nodes := range []int{64, 1000, 10_000} {
		p := newPool(b, equal(LeastLoad, nodes), Options{})
		m := p.Know("m")
		turn := func(state State, cause error) {
			for _, n := range p.Members() {
				p.setState(n, state, cause)
				if lease, err := m.Pick(Ask{}, nil); err == nil {
					lease.Done(Success)
				}
			}
		}
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				turn(Down, errGone)
				turn(Up, nil)
			}
		})
	}
}

// TestManyNodesAreJudgedLessOften: what it costs to look for outliers does not grow with the pool.
func TestManyNodesAreJudgedLessOften(t *testing.T) {
	for nodes, want := range map[int]int{16: 20, 1000: 20, 5000: 4} {
		p, h := many(t, LeastLoad, nodes)
		judged := 0
		for last := time.Duration(-1); p.now() < 2*time.Second; h.advance(10 * time.Millisecond) {
			attempt(t, p, Success)
			if p.common.outliers.last != last {
				last = p.common.outliers.last
				judged++
			}
		}
		if judged < want-1 || judged > want+1 {
			t.Errorf("%d nodes were judged %d times in two seconds, want about %d", nodes, judged, want)
		}
	}
}
