package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/balancer"
	"ganglion/internal/testnode"
)

// watched is what a vigil's pool and exchanges hear.
type watched struct {
	vigil                        *vigil
	heard                        atomic.Uint64
	suspected, trusted, released atomic.Int64
	asked                        atomic.Int64
	takes                        atomic.Int64 // ns that an answer takes; -1 = none comes
	alone                        atomic.Bool
}

func (w *watched) Suspect()                  { w.suspected.Add(1) }
func (w *watched) Trust()                    { w.trusted.Add(1) }
func (w *watched) Spared() bool              { return !w.alone.Load() }
func (w *watched) Members() int              { return 2 }
func (w *watched) Goaway()                   {}
func (w *watched) Hear(balancer.Load, int64) {}

func (w *watched) alive(ctx context.Context) error {
	w.asked.Add(1)
	var answer <-chan time.Time
	if takes := w.takes.Load(); takes >= 0 {
		answer = time.After(time.Duration(takes))
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepVigil runs a vigil in a bubble of time, in which one exchange waits for ever.
func keepVigil(t *testing.T, test func(w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{}
		w.vigil = newVigil(w, slog.New(slog.DiscardHandler), &w.heard, w.alive, func() { w.released.Add(1) })
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.vigil.run(ctx) })
		defer running.Wait()
		defer stop()
		if !w.vigil.enter(false) {
			t.Fatal("not let in")
		}
		test(w)
	})
}

// A node that answers nothing, not even whether it lives, is suspected after a second; one that was quick before, much sooner.
func TestSilenceThatNothingExplains(t *testing.T) {
	keepVigil(t, func(w *watched) {
		w.takes.Store(-1)
		time.Sleep(patienceFirst)
		synctest.Wait()
		if n := w.suspected.Load(); n != 0 {
			t.Errorf("suspected within %v", patienceFirst)
		}
		time.Sleep(4 * lookEvery)
		synctest.Wait()
		if w.suspected.Load() != 1 || w.released.Load() == 0 || w.vigil.enter(false) || !w.vigil.enter(true) {
			t.Errorf("after %v: suspected %d times, released %d times", patienceFirst+4*lookEvery, w.suspected.Load(), w.released.Load())
		}
		w.takes.Store(int64(time.Millisecond))
		w.heard.Add(1)
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if w.trusted.Load() != 1 || !w.vigil.enter(false) {
			t.Error("not trusted although it has spoken")
		}
		time.Sleep(20 * time.Second) // it works, and says so
		w.takes.Store(-1)
		time.Sleep(2*time.Second + patienceLeast) // the next question is up to a second away
		synctest.Wait()
		if w.suspected.Load() != 2 {
			t.Errorf("suspected %d times, want 2: a node that was quick to answer has fallen silent", w.suspected.Load())
		}
	})
}

// A server that answers nothing while it computes is given the time that it took before.
func TestPatienceIsLearned(t *testing.T) {
	keepVigil(t, func(w *watched) {
		w.takes.Store(int64(900 * time.Millisecond))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if w.suspected.Load() != 0 {
			t.Errorf("suspected %d times, although it answers within a second", w.suspected.Load())
		}
		w.takes.Store(int64(3 * time.Second)) // three times as long, which is still within four
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if w.suspected.Load() != 0 {
			t.Errorf("suspected %d times, although it was never quick", w.suspected.Load())
		}
	})
}

// Whoever is alone is waited for.
func TestALoneNodeIsNotGivenUp(t *testing.T) {
	keepVigil(t, func(w *watched) {
		w.alone.Store(true)
		w.takes.Store(-1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if w.suspected.Load() != 1 || w.released.Load() != 0 || !w.vigil.enter(false) {
			t.Errorf("suspected %d times, released %d times", w.suspected.Load(), w.released.Load())
		}
		w.alone.Store(false)
		time.Sleep(patienceMost + patienceFirst)
		synctest.Wait()
		if w.released.Load() == 0 {
			t.Error("not released although there is somebody else now")
		}
	})
}

// A node that is heard, and one that nobody waits for, are asked once a second at most.
func TestQuestionsAreRare(t *testing.T) {
	keepVigil(t, func(w *watched) {
		for range 1000 {
			w.heard.Add(1)
			time.Sleep(10 * time.Millisecond)
		}
		if n := w.asked.Load(); n < 8 || n > 10 {
			t.Errorf("asked %d times in 10 s, want about once a second", n)
		}
		time.Sleep(time.Minute) // it works on something
		if n := w.asked.Load(); n > 80 {
			t.Errorf("asked %d times in 70 s", n)
		}
		w.vigil.leave()
		time.Sleep(2 * time.Second)
		before := w.asked.Load()
		time.Sleep(time.Minute)
		if n := w.asked.Load(); n != before {
			t.Errorf("asked %d times although nobody waits", n-before)
		}
	})
}

// However long this process, or the whole machine, stands still: that is one look.
func TestOurOwnStallIsNotTheNodes(t *testing.T) {
	w := &watched{}
	v := newVigil(w, slog.New(slog.DiscardHandler), &w.heard, nil, func() {})
	v.open.Add(1)
	v.slowest = time.Millisecond
	for range doubtAfter {
		if v.look() {
			v.pending = 1
		}
	}
	if v.pending != 1 {
		t.Fatal("no question after silent looks")
	}
	time.Sleep(2 * patienceLeast) // of which nobody tells it but the clock
	v.look()
	if v.suspect.Load() {
		t.Error("suspected after one look")
	}
	for range int(patienceLeast / lookEvery) {
		v.look()
	}
	if !v.suspect.Load() {
		t.Error("not suspected after all looks")
	}
}

// What waits for a process that was stopped is answered by another, whatever it was sent by, long before its time is up.
func TestAFrozenNodeGivesUpWhatWaitsForIt(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T) (e *edge, waiting func() int64, freeze func() (thaw func())){
		"http": func(t *testing.T) (*edge, func() int64, func() func()) {
			nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
			e := start(t, byTurns+anyRoute, nodes...)
			t.Cleanup(nodes[0].Hang())
			return e, nodes[0].Requests, nodes[0].Freeze
		},
		"grpc": func(t *testing.T) (*edge, func() int64, func() func()) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ice := &ice{Listener: ln}
			frozen, other := serveRPCNode(t, ice), startRPCNode(t)
			frozen.hang.Store(true)
			e := start(t, wary+rpcPool(frozen, other)+anyRoute)
			return e, frozen.asked.Load, ice.freeze
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, waiting, freeze := begin(t)
			const question = `{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1.5,-2]}]}`
			answers := make(chan answer, 8)
			for range cap(answers) {
				go func() { answers <- e.do("POST", inferPath, question) }()
			}
			eventually(t, "requests that wait", func() bool { return waiting() > 0 })
			thaw := freeze()
			defer thaw()
			for range cap(answers) {
				if a := within(t, "an answer", answers); a.status != 200 {
					t.Errorf("answered %d %q", a.status, a.body)
				}
			}
			if n := e.metric("ganglion_upstream_suspicions_total"); n < 1 {
				t.Errorf("%v suspicions were counted", n)
			}
			thaw()
			eventually(t, "trust", func() bool { return e.metric("ganglion_upstream_suspect") == 0 })
		})
	}
}

// A node that works on something for long is left alone, as long as it says that it lives.
func TestANodeThatWorksForLong(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
	e := start(t, byTurns+"health = { interval = \"1h\" }\n"+anyRoute, nodes...)
	release := nodes[0].Hang()
	answers := make(chan answer, 2)
	for range cap(answers) {
		go func() { answers <- e.infer() }()
	}
	eventually(t, "the node asked for a sign of life", func() bool { return nodes[0].Requests() == 1 && nodes[0].Probes() >= 4 })
	release()
	for range cap(answers) {
		if a := within(t, "an answer", answers); a.status != 200 {
			t.Errorf("answered %d %q", a.status, a.body)
		}
	}
	if n := e.metric("ganglion_upstream_suspicions_total") + e.metric("ganglion_retries_total"); n != 0 {
		t.Errorf("%v suspicions and retries", n)
	}
}

// ice is a listener whose connections stand still while it is frozen.
type ice struct {
	net.Listener
	mu     sync.Mutex
	frozen chan struct{} // nil = not
}

func (i *ice) freeze() (thaw func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	frozen := make(chan struct{})
	i.frozen = frozen
	return sync.OnceFunc(func() { close(frozen) })
}

func (i *ice) wait(over <-chan struct{}) error {
	i.mu.Lock()
	frozen := i.frozen
	i.mu.Unlock()
	if frozen == nil {
		return nil
	}
	select {
	case <-frozen:
		return nil
	case <-over:
		return errors.New("closed while frozen")
	}
}

// Accept implements net.Listener.
func (i *ice) Accept() (net.Conn, error) {
	c, err := i.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &icyConn{Conn: c, ice: i, over: make(chan struct{})}, nil
}

type icyConn struct {
	net.Conn
	ice  *ice
	over chan struct{}
	once sync.Once
}

func (c *icyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if stuck := c.ice.wait(c.over); stuck != nil {
		return 0, stuck
	}
	return n, err
}

func (c *icyConn) Write(p []byte) (int, error) {
	if err := c.ice.wait(c.over); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *icyConn) Close() error {
	c.once.Do(func() { close(c.over) })
	return c.Conn.Close()
}
