package balancer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// flood is an open loop: exchanges that come at a rate, whatever becomes of those before them.
type flood struct {
	t    *testing.T
	pool *Pool
	cfg  QueueConfig

	mu      sync.Mutex
	atOnce  int // refused without waiting
	inVain  int // refused after it
	served  int
	noNode  int
	longest time.Duration
}

// exchange makes up to two attempts, each of which takes so long.
func (f *flood) exchange(priority uint8, patience, attempt time.Duration, again bool) {
	w := Waiter{Priority: priority}
	if patience != 0 {
		w.Deadline = time.Now().Add(patience)
	}
	var tried Tried
	for range 2 {
		before, began := w.Waited, time.Now()
		lease, err := f.pool.common.Wait(Ask{}, &tried, &w)
		f.judge(err, &w, w.Waited-before, time.Since(began))
		if err != nil {
			return
		}
		time.Sleep(attempt)
		lease.Done(Success)
		if !again {
			return
		}
	}
}

// judge holds one wait against what the queue promises.
func (f *flood) judge(err error, w *Waiter, waited, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.longest = max(f.longest, took)
	if took != waited {
		f.t.Errorf("it took %s, of which %s are called waiting", took, waited)
	}
	if took > f.cfg.Timeout {
		f.t.Errorf("it waited for %s, more than the %s of the queue (%v)", took, f.cfg.Timeout, err)
	}
	if !w.Deadline.IsZero() && took > 0 && time.Now().After(w.Deadline) {
		f.t.Errorf("it waited for %s, until %s after its own deadline (%v)", took, time.Since(w.Deadline), err)
	}
	turned, refused := errors.AsType[*QueueError](err)
	switch {
	case err == nil:
		f.served++
	case errors.Is(err, ErrNoNode):
		f.noNode++
	case !refused:
		f.t.Errorf("it got %v", err)
	case turned.Reason == NoQueue, turned.Reason == QueueFull, turned.Reason == TooLong:
		f.atOnce++
		if took != 0 || turned.Waited != 0 {
			f.t.Errorf("refused (%v) after %s: want that without waiting", err, took)
		}
	default:
		f.inVain++
	}
}

// offer lets so many come, evenly or in bursts.
func (f *flood) offer(r *rand.Rand, rate float64, total int, attempt time.Duration) {
	var all sync.WaitGroup
	for range total {
		priority, again := uint8(r.IntN(10)), r.IntN(4) == 0
		patience := time.Duration(r.IntN(3)) * time.Duration(r.Int64N(int64(2*f.cfg.Timeout))-int64(f.cfg.Timeout/8))
		each := time.Duration(float64(attempt) * (0.5 + r.ExpFloat64()/2))
		all.Go(func() { f.exchange(priority, patience, each, again) })
		time.Sleep(time.Duration(r.ExpFloat64() / rate * float64(time.Second)))
	}
	all.Wait()
}

// change moves the limits up and down, as trials of admission do, until ctx ends.
func (f *flood) change(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		for _, n := range f.pool.Members() {
			n.find(1 + r.Int64N(8))
		}
		time.Sleep(time.Duration(r.IntN(300)+1) * time.Millisecond)
	}
}

// Whatever comes: who is not let wait is told so at once, and who is waits for no longer than the queue allows, nor beyond
// its own deadline, both attempts together.
func TestWaitsAreBoundedAtAnyLoad(t *testing.T) {
	atOnce := 0
	for seed := range uint64(24) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			cfg := limited(1+r.IntN(3), 8)
			cfg.Queue = QueueConfig{Max: []int{0, 1, 20, 1000}[r.IntN(4)], Timeout: time.Duration(1+r.IntN(1000)) * time.Millisecond}
			f := &flood{t: t, pool: newPool(t, cfg, Options{}), cfg: cfg.Queue}
			attempt := time.Duration(1+r.IntN(50)) * time.Millisecond
			load := []float64{0.3, 1, 2, 10, 30}[seed%5]
			capacity := float64(4*len(cfg.Nodes)) / attempt.Seconds() // with limits of four at the mean

			ctx, stop := context.WithCancel(t.Context())
			var helpers sync.WaitGroup
			helpers.Go(func() { f.pool.queue.run(ctx) })
			limits := rand.New(rand.NewPCG(seed, 8))
			helpers.Go(func() { f.change(ctx, limits) })
			f.offer(r, load*capacity, 600, attempt)
			stop()
			helpers.Wait()

			if load >= 10 && f.atOnce == 0 {
				t.Errorf("at %.0f times the capacity %d were served and %d refused after a wait, and nobody at once", load, f.served, f.inVain)
			}
			if n := f.pool.queue.waiting.Load(); n != 0 {
				t.Errorf("%d wait although everybody has gone", n)
			}
			atOnce += f.atOnce
			t.Logf("load %4.1f, max %4d, timeout %6s: %3d served, %3d refused at once, %2d after a wait, longest %s",
				load, cfg.Queue.Max, cfg.Queue.Timeout, f.served, f.atOnce, f.inVain, f.longest)
		})
	}
	if atOnce == 0 {
		t.Error("nobody was refused at once")
	}
}
