package balancer

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// steady takes the chance out of the pauses.
func steady(cfg Config) Config {
	cfg.Health.Jitter = 0
	return cfg
}

func TestFirstProbeIsAtOnceAndBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		p, changes := watched(t, steady(equal(LeastConnections, 3)), f.probe)
		f.set(p.Members()[1], errors.New("loading"))
		defer run(t, p)()
		synctest.Wait() // no time has passed
		states := []State{p.Members()[0].State(), p.Members()[1].State(), p.Members()[2].State()}
		if !slices.Equal(states, []State{Up, Down, Up}) {
			t.Errorf("states = %v", states)
		}
		if !p.Ready() {
			t.Error("not ready")
		}
		if got := changes(); len(got) != 3 {
			t.Errorf("changes = %q", got)
		}
		if cause := p.Nodes()[1].Cause; cause != "loading" {
			t.Errorf("cause = %q", cause)
		}
	})
}

func TestRiseAndFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		cfg := steady(equal(LeastConnections, 2)) // of which the other one is up
		cfg.Health.Rise, cfg.Health.Fall = 3, 2
		p, changes := watched(t, cfg, f.probe)
		n, interval, quick := p.Members()[0], cfg.Health.Interval, cfg.Health.DoubtInterval
		defer run(t, p)()
		synctest.Wait()

		f.set(n, errors.New("gone"))
		advance(interval) // the first bad answer
		if n.State() != Up {
			t.Fatal("down after one bad answer of two")
		}
		f.set(n, nil)
		advance(quick) // a good one in between starts the count again
		f.set(n, errors.New("gone"))
		advance(interval)
		if n.State() != Up {
			t.Fatal("down after two bad answers that were not in a row")
		}
		advance(quick)
		if n.State() != Down {
			t.Fatal("not down after two bad answers in a row")
		}
		f.set(n, nil)
		advance(interval + quick)
		if n.State() != Down {
			t.Fatal("up after two good answers of three")
		}
		advance(quick)
		if n.State() != Up {
			t.Fatal("not up after three good answers in a row")
		}
		if got, want := changes()[2:], []string{"0 down", "0 up"}; !slices.Equal(got, want) {
			t.Errorf("changes = %q, want %q", got, want)
		}
	})
}

// TestNodesAreLookedForWhileThereIsNone: what died together comes back together, and until all are back those that are bear more than
// they can.
func TestNodesAreLookedForWhileThereIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		cfg := steady(equal(LeastConnections, 3))
		cfg.Health.Rise = 1
		p := newPool(t, cfg, Options{Probe: f.probe})
		gone := errors.New("gone")
		for _, n := range p.Members() {
			f.set(n, gone)
		}
		defer run(t, p)()
		synctest.Wait()
		first, second, third := p.Members()[0], p.Members()[1], p.Members()[2]
		advance(time.Minute)
		f.set(first, nil)
		if advance(cfg.Health.DoubtInterval); first.State() != Up {
			t.Errorf("not up %s after it can serve again, when nobody else could", cfg.Health.DoubtInterval)
		}
		advance(3 * time.Second) // longer than Interval
		f.set(second, nil)
		if advance(cfg.Health.DoubtInterval); second.State() != Up {
			t.Errorf("not up %s after it can serve again, and 3s after the first", cfg.Health.DoubtInterval)
		}
		advance(revivalTime + cfg.Health.Interval)
		before := f.probes(third)
		advance(10 * cfg.Health.Interval)
		if got := f.probes(third) - before; got > 10 {
			t.Errorf("%d probes of the last one in ten intervals, when others have long been up", got)
		}
	})
}

func TestProbesAreParallelAndTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := steady(equal(LeastConnections, 50))
		hang := func(ctx context.Context, _ *Node) error {
			<-ctx.Done()
			return ctx.Err()
		}
		p := newPool(t, cfg, Options{Probe: hang})
		defer run(t, p)()
		advance(cfg.Health.Timeout)
		for _, s := range p.Nodes() {
			if s.State != Down || s.Cause != "no answer to the probe within 1s" {
				t.Fatalf("after one timeout: %+v", s)
			}
		}
	})
}

func TestProbeThatPanicsIsABadAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, steady(equal(LeastConnections, 1)), Options{Probe: func(context.Context, *Node) error { panic("oops") }})
		defer run(t, p)()
		synctest.Wait()
		if s := p.Nodes()[0]; s.State != Down || !strings.Contains(s.Cause, "oops") {
			t.Errorf("status = %+v", s)
		}
	})
}

func TestOpenCircuitIsProbedAtOnceAndQuickly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		cfg := steady(equal(RoundRobin, 2))
		cfg.Breaker.OpenTime = time.Minute
		cfg.Health.Rise = 10 // else good probes would close it
		p := newPool(t, cfg, Options{Probe: f.probe})
		defer run(t, p)()
		synctest.Wait()
		before := f.probes(p.Members()[0])
		exhaust(t, p, p.Members()[0])
		synctest.Wait()
		if got := f.probes(p.Members()[0]); got != before+1 {
			t.Errorf("%d probes when the circuit opened, want 1", got-before)
		}
		advance(cfg.Health.Interval)
		if got := f.probes(p.Members()[0]) - before; got != 5 {
			t.Errorf("%d probes within an interval of doubt, want 5", got)
		}
		if got := f.probes(p.Members()[1]); got != 2 {
			t.Errorf("%d probes of the sound node, want 2", got)
		}
	})
}

// TestGoodProbesMendTheCircuit of a node that attempts could not reach for a moment, without waiting for a trial; but only once, if
// attempts and probes go on to disagree.
func TestGoodProbesMendTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		cfg := steady(equal(RoundRobin, 2))
		cfg.Breaker.OpenTime, cfg.Breaker.MaxOpenTime = time.Minute, time.Minute
		p := newPool(t, cfg, Options{Probe: f.probe})
		defer run(t, p)()
		synctest.Wait()
		n := p.Members()[0]
		exhaust(t, p, n)
		synctest.Wait()
		if n.Circuit() == Closed {
			t.Error("closed by a single probe")
		}
		advance(cfg.Health.DoubtInterval)
		if n.Circuit() != Closed {
			t.Fatalf("circuit is %s after two good probes", n.Circuit())
		}
		if got := picks(t, p, 10); got[0] != 5 {
			t.Errorf("picks = %v, want its share", got)
		}
		exhaust(t, p, n)
		advance(10 * time.Second)
		if n.Circuit() == Closed {
			t.Error("closed again by probes that attempts contradict")
		}
		// What only a model fails says nothing of what probes see.
		exhaustModel(t, p, p.Members()[1])
		advance(10 * time.Second)
		if p.Model("").place(p.Members()[1]).circuit() == Closed {
			t.Error("the circuit of a broken model is closed by probes")
		}
	})
}

// exhaustModel makes attempts that the node answers with failures until the model's circuit on it is open.
func exhaustModel(t *testing.T, p *Pool, n *Node) {
	t.Helper()
	for range 100 {
		lease, err := p.Model("").Pick(Ask{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if lease.Done(map[bool]Outcome{true: Faulty, false: Success}[lease.Node() == n]); p.Model("").place(n).circuit() == Open {
			return
		}
	}
	t.Fatal("the circuit of the model is still closed")
}

// TestCrashedNodeIsBackAsSoonAsItIsReady is the whole path: the circuit opens, probes notice the crash, then the return,
// and nobody waits for the open time.
func TestCrashedNodeIsBackAsSoonAsItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		cfg := steady(equal(RoundRobin, 2))
		cfg.Breaker.OpenTime = time.Hour
		p := newPool(t, cfg, Options{Probe: f.probe})
		defer run(t, p)()
		synctest.Wait()
		n := p.Members()[0]
		f.set(n, errors.New("connection refused"))
		exhaust(t, p, n)
		advance(cfg.Health.DoubtInterval)
		if n.State() != Down {
			t.Fatalf("state is %s a quarter second after the crash", n.State())
		}
		f.set(n, nil)
		advance(p.RetryAfter())
		if n.State() != Up || n.Circuit() != Closed {
			t.Errorf("state is %s, circuit is %s after RetryAfter", n.State(), n.Circuit())
		}
		if got := picks(t, p, 10); got[0] != 5 {
			t.Errorf("picks = %v", got)
		}
	})
}

func TestPausesAreJittered(t *testing.T) {
	h := HealthConfig{Interval: time.Second, DoubtInterval: 100 * time.Millisecond, Jitter: 0.25}
	for _, inDoubt := range []bool{false, true} {
		full := h.Interval
		if inDoubt {
			full = h.DoubtInterval
		}
		shortest, longest := full, time.Duration(0)
		for range 1000 {
			pause := h.pause(inDoubt)
			shortest, longest = min(shortest, pause), max(longest, pause)
		}
		if shortest < full*3/4 || longest > full || shortest > full*8/10 || longest < full*95/100 {
			t.Errorf("in doubt = %t: pauses from %v to %v, want them spread over %v to %v", inDoubt, shortest, longest, full*3/4, full)
		}
	}
}

func TestChangesAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{}
		var out bytes.Buffer
		cfg := steady(equal(LeastConnections, 1))
		p := newPool(t, cfg, Options{Probe: f.probe, Log: slog.New(slog.NewTextHandler(&out, nil))})
		stop := run(t, p)
		advance(10 * time.Second)
		f.set(p.Members()[0], errors.New("connection refused"))
		advance(10 * time.Second)
		stop()
		log := out.String()
		if strings.Count(log, "\n") != 2 {
			t.Errorf("want one line up and one down, got:\n%s", log)
		}
		for _, want := range []string{`msg="node is up"`, `msg="node is down"`, "pool=test", "node=10.0.0.1:9000", `cause="connection refused"`} {
			if !strings.Contains(log, want) {
				t.Errorf("no %s in:\n%s", want, log)
			}
		}
	})
}

// TestRunEndsWithItsProbes: the bubble, and goleak after it, fail if a goroutine is left.
func TestRunEndsWithItsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ *Node) error { <-ctx.Done(); return ctx.Err() }
		p := newPool(t, equal(LeastConnections, 10), Options{Probe: hang})
		stop := run(t, p)
		synctest.Wait()
		stop()
		for _, s := range p.Nodes() {
			if s.State != Unknown {
				t.Errorf("node %d is %s: an aborted probe was taken for an answer", s.Node.index(), s.State)
			}
		}
		stop = run(t, p) // and it may run again
		advance(2 * time.Second)
		stop()
		if s := p.Nodes()[0].State; s != Down {
			t.Errorf("state is %s after a second Run", s)
		}
	})
}
