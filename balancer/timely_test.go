package balancer

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// trains are nodes that batch, before one gateway, without a network between them: each run takes as long as any other, and as many as
// wait when it begins, up to a batch.
type trains struct {
	t     testing.TB
	pool  *Pool
	model *Model
	clock *hands
	run   time.Duration
	batch int
	nodes []train
}

type train struct {
	place   *placement
	ends    time.Duration // the run that goes on, if any does
	running []*Lease
	queue   []*Lease
	silent  bool // it does not say when its runs begin
	lies    bool // it says that it runs nothing, and takes twice as long
}

func newTrains(t testing.TB, nodes, batch int, run time.Duration) *trains {
	s := &trains{t: t, run: run, batch: batch}
	s.pool, s.clock = timed(t, unjudged(equal(LeastLoad, nodes)))
	s.model = s.pool.Know("m")
	for _, n := range s.pool.Members() {
		s.nodes = append(s.nodes, train{place: s.model.places[n]})
	}
	for i := range s.nodes { // each has had a run of its own
		s.says(i, Load{InFlight: 1, Wait: run})
		s.says(i, Load{})
	}
	return s
}

func (s *trains) now() time.Duration { return s.pool.now() }

// says has the gateway hear it of a node.
func (s *trains) says(node int, l Load) {
	l.Known, l.Batch = true, uint8(s.batch)
	s.model.policy.(*leastLoad).heard(s.nodes[node].place, l, s.now())
}

// advance lets runs end until then.
func (s *trains) advance(d time.Duration) {
	for then := s.now() + d; ; {
		next := -1
		for i := range s.nodes {
			if n := &s.nodes[i]; len(n.running) > 0 && n.ends <= then && (next < 0 || n.ends < s.nodes[next].ends) {
				next = i
			}
		}
		if next < 0 {
			s.clock.advance(then - s.now())
			return
		}
		n := &s.nodes[next]
		s.clock.advance(n.ends - s.now())
		done := n.running
		n.running = nil
		s.begin(next)
		for _, l := range done {
			l.Report(s.load(next))
			l.Done(Success)
		}
	}
}

// begin lets a node run what waits.
func (s *trains) begin(node int) {
	n := &s.nodes[node]
	count := min(len(n.queue), s.batch)
	n.running, n.queue = append(n.running, n.queue[:count]...), n.queue[count:]
	n.ends = s.now() + s.run
	if n.lies {
		n.ends += s.run
	}
}

// wait is how long a request waits that comes now.
func (s *trains) wait(node int) time.Duration {
	n := &s.nodes[node]
	if len(n.running) == 0 {
		return 0
	}
	return n.ends - s.now() + time.Duration(len(n.queue)/s.batch)*s.run
}

func (s *trains) load(node int) Load {
	n := &s.nodes[node]
	if n.silent {
		return Load{Known: true}
	}
	if n.lies {
		return Load{Known: true, InFlight: 1, Batch: uint8(s.batch)}
	}
	return Load{Known: true, Queued: uint32(len(n.queue)), InFlight: uint32(len(n.running)), Wait: s.wait(node), Batch: uint8(s.batch)}
}

// pick takes a lease.
func (s *trains) pick(tried *Tried) (*Lease, int) {
	s.t.Helper()
	lease, err := s.model.Pick(Ask{}, tried)
	if err != nil {
		s.t.Fatal(err)
	}
	return &lease, lease.Node().index()
}

// send picks, and has the node take it.
func (s *trains) send() (node int) {
	s.t.Helper()
	lease, node := s.pick(nil)
	s.nodes[node].queue = append(s.nodes[node].queue, lease)
	if len(s.nodes[node].running) == 0 {
		s.begin(node)
	}
	return node
}

// TestTimelyBeginsAsSoonAsAnywhere: whatever comes when, no node would have begun a request sooner than the one that was picked, but for
// those that it might come too late for, and nothing is declined by a node that does as it said.
func TestTimelyBeginsAsSoonAsAnywhere(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		run := time.Duration(2+r.IntN(50)) * time.Millisecond
		s := newTrains(t, 2+r.IntN(9), 2+r.IntN(30), run)
		margin := wayThere + run/aimAhead + time.Microsecond<<1
		gap := float64(run) / float64(len(s.nodes)*s.batch) / (0.3 + r.Float64()) // from a third of what they can do to more than that
		for i := range 3000 {
			s.advance(time.Duration(r.ExpFloat64() * gap))
			best := 2 * run
			for node := range s.nodes {
				if wait := s.wait(node); wait == 0 || wait > margin { // else it might come too late
					best = min(best, wait)
				}
			}
			lease, node := s.pick(nil)
			if wait := s.wait(node); wait > best+2*time.Microsecond && best < run {
				t.Fatalf("seed %d, request %d: sent where it waits %v, while another node would begin it after %v", seed, i, wait, best)
			}
			if wait := s.wait(node); wait > lease.Within() {
				t.Fatalf("seed %d, request %d: it may wait %v, and will wait %v as the gateway knows", seed, i, lease.Within(), wait)
			}
			n := &s.nodes[node]
			if n.queue = append(n.queue, lease); len(n.running) == 0 {
				s.begin(node)
			}
		}
		s.advance(time.Hour)
		for i := range s.nodes {
			if got := s.nodes[i].place.node.Inflight(); got != 0 {
				t.Errorf("seed %d: node %d has %d leases after the end", seed, i, got)
			}
		}
	}
}

// TestTimelySendsWhatIsTooLateElsewhere: a run that begins before a request could be there is none for it.
func TestTimelySendsWhatIsTooLateElsewhere(t *testing.T) {
	s := newTrains(t, 2, 16, 10*time.Millisecond)
	s.says(0, Load{InFlight: 4, Wait: 10 * time.Millisecond})
	s.clock.advance(6 * time.Millisecond)
	s.says(1, Load{InFlight: 4, Wait: 10 * time.Millisecond})
	s.send() // so that the first one has something to begin with
	for range 4 {
		if got := s.send(); got != 0 {
			t.Errorf("sent to node %d, want the one whose run ends 6 ms sooner", got)
		}
	}
	s.clock.advance(3900 * time.Microsecond)
	if got := s.send(); got != 1 {
		t.Errorf("sent to node %d, whose run ends in 0.1 ms, want the other one", got)
	}
}

// TestTimelyFillsARunAndNoMore: with the largest batch on the way, the next request is for another node.
func TestTimelyFillsARunAndNoMore(t *testing.T) {
	s := newTrains(t, 2, 8, 10*time.Millisecond)
	s.says(1, Load{InFlight: 8, Queued: 3, Wait: 4 * time.Millisecond}) // room for five
	s.says(0, Load{InFlight: 8, Wait: 5 * time.Millisecond})
	var got [2]int
	for range 13 {
		got[s.send()]++
	}
	if got != [2]int{8, 5} {
		t.Errorf("sent %v, want as many as there is room for in the next run of each", got)
	}
}

// TestTimelyCorrectsItsBooksWhenDeclined: the node says when it really begins, and the exchange goes elsewhere, or back.
func TestTimelyCorrectsItsBooksWhenDeclined(t *testing.T) {
	s := newTrains(t, 2, 16, 10*time.Millisecond)
	s.says(0, Load{InFlight: 4, Wait: 3 * time.Millisecond})
	s.says(1, Load{InFlight: 4, Wait: 5 * time.Millisecond})
	var tried Tried
	lease, node := s.pick(&tried)
	if within := lease.Within(); node != 0 || within < 3*time.Millisecond || within > 8*time.Millisecond {
		t.Fatalf("picked node %d, and it may wait %v; want node 0, and a part of a run more than 3 ms", node, within)
	}
	lease.Declined(Load{Known: true, InFlight: 9, Wait: 11 * time.Millisecond}, 0, &tried)
	lease, node = s.pick(&tried)
	if within := lease.Within(); node != 1 || within < 5*time.Millisecond {
		t.Fatalf("after a decline picked node %d, and it may wait %v", node, within)
	}
	lease.Declined(Load{Known: true, InFlight: 9, Wait: 14 * time.Millisecond}, 0, &tried)
	if lease, node = s.pick(&tried); node != 0 {
		t.Errorf("after two declines picked node %d, want the one that begins first", node)
	}
	lease.Done(Success)
	if got := s.pool.Nodes(); got[0].Inflight+got[1].Inflight != 0 {
		t.Errorf("%d and %d leases are out", got[0].Inflight, got[1].Inflight)
	}
}

// TestTimelyAvoidsASlowNode, and finds out that it is well again.
func TestTimelyAvoidsASlowNode(t *testing.T) {
	s := newTrains(t, 3, 16, 10*time.Millisecond)
	for range 200 {
		s.says(2, Load{InFlight: 1, Wait: 100 * time.Millisecond})
	}
	s.says(2, Load{}) // idle, but what of it
	for i := range 2 {
		s.says(i, Load{InFlight: 8, Wait: 10 * time.Millisecond})
	}
	for range 16 {
		if got := s.send(); got == 2 {
			t.Fatal("sent to the idle node whose runs take ten times as long")
		}
	}
	s.clock.advance(paceSilence + time.Millisecond)
	for i := range 2 {
		s.says(i, Load{InFlight: 8, Wait: 10 * time.Millisecond})
	}
	if got := s.send(); got != 2 {
		t.Errorf("sent to node %d, want to find out how the slow one is", got)
	}
}

// TestNodesThatSayNothingGetTheirShare: an older node among new ones is neither flooded nor left out.
func TestNodesThatSayNothingGetTheirShare(t *testing.T) {
	s := newTrains(t, 4, 16, 10*time.Millisecond)
	s.nodes[3].silent = true
	s.model.policy.(*leastLoad).heard(s.nodes[3].place, s.load(3), s.now())
	var got [4]int
	for range 4000 {
		s.advance(300 * time.Microsecond)
		got[s.send()]++
	}
	if got[3] < 4000/50 || got[3] > 4000/2 {
		t.Errorf("sent %v, want neither nothing nor most of it to the last, which does not say when its runs begin", got)
	}
}

// TestCountsWhereRunsAreNotSaid: nodes that say nothing of runs, or do not batch, or run so quickly that the way there is what counts.
func TestCountsWhereRunsAreNotSaid(t *testing.T) {
	for what, say := range map[string]Load{
		"nothing":  {Known: true, InFlight: 1, Wait: 10 * time.Millisecond},
		"no batch": {Known: true, InFlight: 1, Wait: 10 * time.Millisecond, Batch: 1},
		"quick":    {Known: true, InFlight: 1, Wait: time.Millisecond, Batch: 16},
	} {
		p, _ := timed(t, equal(LeastLoad, 2))
		m := p.Know("m")
		for range 100 {
			lease, err := m.Pick(Ask{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			lease.Report(say)
			lease.Done(Success)
		}
		if m.policy.(*leastLoad).timely(&m.current.Load().groups[0], &ask{}) {
			t.Errorf("%s: it goes by when runs begin", what)
		}
		e := m.Explain(Ask{}, nil)
		if unit := e.Candidates[0].Score.Unit; unit != "requests" {
			t.Errorf("%s: the score is in %s", what, unit)
		}
	}
}

// TestTimelyLooksAtOtherModels: what a node does for other models is in the way of this one.
func TestTimelyLooksAtOtherModels(t *testing.T) {
	s := newTrains(t, 2, 4, 10*time.Millisecond)
	other := s.pool.Know("other")
	var tried Tried
	first, err := other.Pick(Ask{}, &tried)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.send(); got == first.Node().index() {
		t.Error("of two idle nodes picked the one that works for another model")
	}
	first.Done(Success)
}

// TestTimelyExplains what it goes by.
func TestTimelyExplains(t *testing.T) {
	s := newTrains(t, 2, 16, 10*time.Millisecond)
	s.says(0, Load{InFlight: 4, Queued: 2, Wait: 7 * time.Millisecond})
	e := s.model.Explain(Ask{}, nil)
	score := e.Candidates[0].Score
	parts := map[string]string{}
	for _, p := range score.Parts {
		parts[p.Name] = p.Value
	}
	if score.Unit != "ms" || score.Value < 6.9 || parts["next run"] != "in 7ms" || parts["in it already"] != "2" || parts["a run takes"] != "10ms" {
		t.Errorf("the score is %+v", *score)
	}
	if e.Picked != s.pool.Members()[1] {
		t.Errorf("picked %v, want the idle node", e.Picked)
	}
}

// TestTimelyInParallel: pickers, answers and declines from all sides never pick a node that is down or lose count.
func TestTimelyInParallel(t *testing.T) {
	p := newPool(t, equal(LeastLoad, 5), Options{})
	m := p.Know("m")
	down := p.Members()[4]
	p.setState(down, Down, nil)
	var aimed atomic.Int64
	var all sync.WaitGroup
	for worker := range uint64(8) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(worker, 5))
			for range 3000 {
				var tried Tried
				lease, err := m.Pick(Ask{}, &tried)
				if err != nil {
					t.Error(err)
					return
				}
				if lease.Node() == down {
					t.Error("picked a node that is down")
				}
				says := Load{Known: true, Batch: 16, InFlight: uint32(r.IntN(17)), Queued: uint32(r.IntN(20))}
				if r.IntN(8) > 0 {
					says.Wait = time.Duration(r.IntN(20)) * time.Millisecond
				}
				if lease.Within() > 0 {
					aimed.Add(1)
					if r.IntN(4) == 0 {
						lease.Declined(says, int64(r.IntN(4)), &tried)
						continue
					}
				}
				lease.Report(says)
				lease.Done(Success)
			}
		})
	}
	all.Wait()
	if aimed.Load() == 0 {
		t.Error("nothing was sent for a run")
	}
	for _, n := range p.Members() {
		if got := n.Inflight(); got != 0 {
			t.Errorf("%s has %d leases", n.Address(), got)
		}
	}
}

// TestTimelyPicksAllocateNothing, and hear nothing that does.
func TestTimelyPicksAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newTrains(t, 16, 16, 10*time.Millisecond)
	if got := testing.AllocsPerRun(1000, func() {
		lease, err := s.model.Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		lease.Report(Load{Known: true, Batch: 16, InFlight: 3, Wait: 10 * time.Millisecond})
		lease.Done(Success)
	}); got > 0 {
		t.Errorf("%v allocations a lease, want none", got)
	}
}

// TestWhatIsBoundIsCounted: an attempt that no node may decline does not go to one whose run is about to begin, but to one that holds less.
func TestWhatIsBoundIsCounted(t *testing.T) {
	s := newTrains(t, 2, 16, 10*time.Millisecond)
	s.says(0, Load{InFlight: 4, Wait: 3 * time.Millisecond})
	s.says(1, Load{InFlight: 4, Wait: 9 * time.Millisecond})
	var out []*Lease
	for range 8 {
		lease, node := s.pick(nil)
		if out = append(out, lease); node != 0 {
			t.Fatalf("sent to node %d, whose run ends last", node)
		}
	}
	lease, err := s.model.Pick(Ask{Bound: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lease.Node().index() != 1 {
		t.Error("an attempt that may come too late goes to the node with eight requests instead of the one with none")
	}
	for _, l := range append(out, &lease) {
		l.Done(Success)
	}
}
