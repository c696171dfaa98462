package balancer

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd is many exchanges at once that want more than the nodes can take, and leave whenever they like.
type crowd struct {
	t      *testing.T
	pool   *Pool
	models []*Model

	held   map[*Node]*atomic.Int64 // attempts under way, counted by those who make them
	served atomic.Int64
	left   atomic.Int64
	late   atomic.Int64
}

func newCrowd(t *testing.T, cfg Config) *crowd {
	c := &crowd{t: t, pool: newPool(t, cfg, Options{}), held: map[*Node]*atomic.Int64{}}
	c.models = []*Model{c.pool.common, c.pool.Know("a"), c.pool.Know("b")}
	for _, n := range c.pool.Members() {
		c.held[n] = new(atomic.Int64)
	}
	return c
}

// exchange waits for a node, works a little, and may try a second one.
func (c *crowd) exchange(r *rand.Rand, w *Waiter) {
	w.Reset()
	w.Priority = uint8(r.IntN(10))
	if r.IntN(4) == 0 {
		w.Deadline = time.Now().Add(time.Duration(r.IntN(3000)) * time.Microsecond)
	}
	stop := make(chan struct{})
	var leaver sync.WaitGroup
	if r.IntN(3) == 0 { // at the very moment at which others are served
		pauses := r.IntN(20)
		leaver.Go(func() {
			for range pauses {
				runtime.Gosched()
			}
			w.Leave()
			<-stop
		})
	}
	m := c.models[r.IntN(len(c.models))]
	var tried Tried
	ask := Ask{Key: r.Uint64N(8), Stick: r.IntN(8) == 0}
	for range 2 {
		lease, err := m.Wait(ask, &tried, w)
		if err != nil {
			c.refused(err)
			break
		}
		c.attempt(&lease, r.IntN(30))
		if r.IntN(3) > 0 {
			break
		}
	}
	close(stop)
	leaver.Wait()
}

func (c *crowd) attempt(l *Lease, pauses int) {
	n := l.Node()
	if held := c.held[n].Add(1); held > n.Limit() {
		c.t.Errorf("%s has %d attempts, its limit is %d", n.Address(), held, n.Limit())
	}
	for range pauses {
		runtime.Gosched()
	}
	c.held[n].Add(-1)
	c.served.Add(1)
	l.Done(Success)
}

func (c *crowd) refused(err error) {
	var turned *QueueError
	switch {
	case errors.Is(err, ErrLeft):
		c.left.Add(1)
	case errors.As(err, &turned):
		c.late.Add(1)
	case errors.Is(err, ErrNoNode): // both nodes were tried
	default:
		c.t.Errorf("refused with %v", err)
	}
}

// check wants a pool that holds nothing any more, and in which nobody waits.
func (c *crowd) check() {
	c.t.Helper()
	q := &c.pool.queue
	if waiting := q.waiting.Load(); waiting != 0 || q.count != 0 || len(q.lanes) != 0 {
		c.t.Errorf("%d wait, in %d lanes, after everybody has gone", waiting, len(q.lanes))
	}
	for _, n := range c.pool.Members() {
		if n.Inflight() != 0 {
			c.t.Errorf("%s is left with %d places taken", n.Address(), n.Inflight())
		}
	}
	if c.served.Load() == 0 || c.left.Load() == 0 {
		c.t.Errorf("%d were served and %d left, want some of each", c.served.Load(), c.left.Load())
	}
}

// Without Pool.Run nobody looks at the queue but who frees a place: an exchange that is forgotten waits until its time is up,
// which is longer than this test lasts unless many are.
func TestNoPlaceAndNobodyIsLostInACrowd(t *testing.T) {
	cfg := limited(3, 2)
	cfg.Queue.Timeout = time.Hour
	cfg.Queue.Max = 64
	c := newCrowd(t, cfg)
	var all sync.WaitGroup
	for i := range 48 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			var w Waiter
			for range 200 {
				c.exchange(r, &w)
			}
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatalf("somebody still waits: %+v", c.pool.Queue())
	}
	c.check()
	t.Logf("served %d, left %d, refused %d", c.served.Load(), c.left.Load(), c.late.Load())
}

// Two exchanges and one place: the second comes to wait at the moment at which the first frees the place. Nobody comes after
// them who would find out that one was forgotten.
func TestNobodyIsForgottenAtTheLastMoment(t *testing.T) {
	cfg := limited(1, 1)
	cfg.Queue.Timeout = time.Hour
	p := newPool(t, cfg, Options{})
	var waiters [2]Waiter
	for round := range 20_000 {
		ended := make(chan error, len(waiters))
		for i := range waiters {
			go func() {
				lease, err := p.common.Wait(Ask{}, nil, &waiters[i])
				if err == nil {
					lease.Done(Success)
				}
				ended <- err
			}()
		}
		for range waiters {
			select {
			case err := <-ended:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(time.Minute):
				t.Fatalf("round %d: somebody waits for a place that is free: %+v", round, p.Queue())
			}
		}
	}
}
