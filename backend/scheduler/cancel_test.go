package scheduler

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCancelledRequestLeavesTheQueueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(time.Minute)
		s := newScheduler(t, Config{MaxBatchSize: 8, MaxQueueBytes: 8}, runner)
		busy := send(t.Context(), s, one(1))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		queued := send(ctx, s, one(2))
		synctest.Wait()
		if err := s.Infer(t.Context(), one(3)); !errors.Is(err, ErrQueueFull) {
			t.Errorf("the queue's 8 bytes are taken, and Infer gave %v", err)
		}
		time.Sleep(time.Second)
		cancel()
		if err := queued.wait(); !errors.Is(err, context.Canceled) || queued.took != time.Second {
			t.Errorf("Infer gave %v after %v, want context.Canceled after 1s", err, queued.took)
		}
		if got := s.Stats(); got.QueuedRequests != 0 || got.QueuedBytes != 0 {
			t.Errorf("a cancelled request is still queued: %+v", got)
		}
		next := send(t.Context(), s, one(4))
		busy.wantEcho(t)
		next.wantEcho(t)
		if got := runner.runs(); len(got) != 2 {
			t.Errorf("runs of %v rows, want two: the cancelled request was run", got)
		}
	})
}

func TestContextThatHasEndedIsNotRun(t *testing.T) {
	runner := &fake{}
	s := newScheduler(t, Config{}, runner)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Infer(ctx, one(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Infer gave %v, want context.Canceled", err)
	}
	if got := runner.runs(); len(got) != 0 {
		t.Errorf("runs of %v rows, want none", got)
	}
}

// TestRunGoesOnUntilNobodyWaits cancels the three requests of a run one after the other.
func TestRunGoesOnUntilNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := newStoppable(time.Minute)
		s := newScheduler(t, Config{MaxBatchSize: 8}, runner)
		busy := send(t.Context(), s, one(0))
		synctest.Wait()
		var calls [3]*call
		var cancels [3]context.CancelFunc
		for i := range calls {
			var ctx context.Context
			ctx, cancels[i] = context.WithCancel(t.Context())
			calls[i] = send(ctx, s, one(int64(i+1)))
			synctest.Wait() // so that the first is the leader
		}
		busy.wantEcho(t)
		time.Sleep(time.Second)
		cancels[0]()
		synctest.Wait()
		if calls[0].over() {
			t.Error("the leader came back before its run")
		}
		cancels[1]()
		if err := calls[1].wait(); !errors.Is(err, context.Canceled) || calls[1].took != time.Minute+time.Second {
			t.Errorf("a request in a running batch got %v after %v, want context.Canceled at once", err, calls[1].took)
		}
		if got := runner.stops.Load(); got != 0 {
			t.Errorf("Stop was called %d times while somebody waits", got)
		}
		time.Sleep(time.Second)
		cancels[2]()
		calls[2].wait()
		if err := calls[0].wait(); !errors.Is(err, context.Canceled) || calls[0].took != time.Minute+2*time.Second {
			t.Errorf("the leader got %v after %v, want context.Canceled when the run was stopped", err, calls[0].took)
		}
		if got := runner.stops.Load(); got != 1 {
			t.Errorf("Stop was called %d times when nobody waits any more, want once", got)
		}
		send(t.Context(), s, one(9)).wantEcho(t) // the instance is as good as before
	})
}

func TestOthersAreAnsweredWhenTheLeaderHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, Config{MaxBatchSize: 8}, lasting(time.Minute))
		busy := send(t.Context(), s, one(0))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		leader := send(ctx, s, one(1))
		synctest.Wait()
		other := send(t.Context(), s, one(2))
		busy.wantEcho(t)
		time.Sleep(time.Second)
		cancel()
		other.wantEcho(t)
		if err := leader.wait(); !errors.Is(err, context.Canceled) || len(leader.r.Outputs) != 0 {
			t.Errorf("the leader got %v and %d outputs, want context.Canceled", err, len(leader.r.Outputs))
		}
	})
}

func TestLoneRunIsStoppedWhenItsSenderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		byContext, byStop := lasting(time.Minute), newStoppable(time.Minute)
		for _, runner := range []Runner{byContext, byStop} {
			s := newScheduler(t, Config{}, runner)
			for range 2 { // the second run finds the context of the first renewed
				ctx, cancel := context.WithCancel(t.Context())
				c := send(ctx, s, one(1))
				time.Sleep(time.Second)
				cancel()
				if err := c.wait(); !errors.Is(err, context.Canceled) || c.took != time.Second {
					t.Errorf("%T: Infer gave %v after %v, want context.Canceled after 1s", runner, err, c.took)
				}
				send(t.Context(), s, one(2)).wantEcho(t)
			}
		}
		if got := byStop.stops.Load(); got != 2 {
			t.Errorf("Stop was called %d times, want twice", got)
		}
	})
}

// slowMemory takes its time, so that assembling inputs does.
type slowMemory struct{ heapMemory }

func (m slowMemory) Alloc(size int) []byte {
	time.Sleep(time.Second)
	return m.heapMemory.Alloc(size)
}

// TestInputsAreNotReadAfterInferHasReturned cancels requests while their leader copies their inputs: they come back when it
// has, and do not hold up the run after that. The race detector sees it if not.
func TestInputsAreNotReadAfterInferHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &fake{}
		s := newScheduler(t, Config{MaxBatchSize: 8, Memory: slowMemory{}}, runner)
		busy := send(t.Context(), s, one(0)) // a second, for its output
		synctest.Wait()
		leader := send(t.Context(), s, one(1))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancelled := send(ctx, s, one(2))
		synctest.Wait()
		expired := send(t.Context(), s, due(3, 1500*time.Millisecond))
		busy.wantEcho(t)
		time.Sleep(500 * time.Millisecond) // now it is copying
		cancel()
		synctest.Wait()
		if cancelled.over() {
			t.Error("a request returned while its input was being read")
		}
		if err := cancelled.wait(); !errors.Is(err, context.Canceled) || cancelled.took != 2*time.Second {
			t.Errorf("Infer gave %v after %v, want context.Canceled after 2s", err, cancelled.took)
		}
		clear(cancelled.r.Inputs[0].Data)
		wantTimeout(t, expired, 2*time.Second)
		leader.wantEcho(t)
	})
}

// TestLeaderLeavesBeforeItBegins cancels a leader between its being chosen and its first step. It does not stay for the run.
func TestLeaderLeavesBeforeItBegins(t *testing.T) {
	for _, others := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			s := newScheduler(t, Config{MaxBatchSize: 8}, lasting(time.Second))
			s.mu.Lock()
			in := s.idle[0]
			s.idle = nil // as if it ran something
			s.mu.Unlock()
			ctx, cancel := context.WithCancel(t.Context())
			leader := send(ctx, s, one(1))
			synctest.Wait()
			var other *call
			if others > 0 {
				other = send(t.Context(), s, one(2))
				synctest.Wait()
			}
			s.mu.Lock()
			s.idle = append(s.idle, in)
			b := s.form(s.queue.order.first(), s.now())
			b.leader = leader.r
			s.quit(b.leader, context.Canceled, s.now())
			b.leader.tell(shallLead)
			s.load.queued(&s.queue)
			s.mu.Unlock()
			cancel()
			if err := leader.wait(); !errors.Is(err, context.Canceled) || leader.took != 0 {
				t.Errorf("with %d others, the leader got %v after %v, want context.Canceled at once", others, err, leader.took)
			}
			if other != nil {
				other.wantEcho(t)
			}
		})
	}
}

// countingContext counts who waits for its end.
type countingContext struct {
	context.Context
	done     chan struct{}
	watchers atomic.Int32
}

func (c *countingContext) Done() <-chan struct{} { return c.done }

// AfterFunc is what the context package looks for.
func (c *countingContext) AfterFunc(func()) func() bool {
	c.watchers.Add(1)
	return func() bool { c.watchers.Add(-1); return true }
}

func TestContextIsNotWatchedAfterItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := &countingContext{Context: context.Background(), done: make(chan struct{})}
		s := newScheduler(t, Config{}, lasting(time.Second))
		c := send(ctx, s, one(1))
		time.Sleep(watchAfter - 1)
		if got := ctx.watchers.Load(); got != 0 {
			t.Errorf("%d watch the context of a short run, want none", got)
		}
		time.Sleep(watchAfter)
		if got := ctx.watchers.Load(); got != 1 {
			t.Errorf("%d watch the context of a long run, want 1", got)
		}
		c.wantEcho(t)
		if got := ctx.watchers.Load(); got != 0 {
			t.Errorf("%d watch the context after the run", got)
		}
	})
}

// TestAlarmForOthersDoesNotEndTheWatch has the alarm ring before it is time to watch a run's leader.
func TestAlarmForOthersDoesNotEndTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, Config{}, lasting(time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		running := send(ctx, s, one(1))
		synctest.Wait()
		wantTimeout(t, send(context.Background(), s, due(2, watchAfter/2)), watchAfter/2)
		time.Sleep(time.Second)
		cancel()
		if err := running.wait(); !errors.Is(err, context.Canceled) || running.took != time.Second+watchAfter/2 {
			t.Errorf("Infer gave %v after %v, want context.Canceled at once", err, running.took)
		}
	})
}

// TestLeaderIsWatchedAfterLongAssembly has the inputs of a batch take longer to be put together than the alarm waits before
// it looks for the leader's sender: it must look again.
func TestLeaderIsWatchedAfterLongAssembly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, Config{MaxBatchSize: 8, Memory: slowMemory{}}, lasting(time.Minute))
		busy := send(t.Context(), s, one(0))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		both := []*call{send(ctx, s, one(1)), send(ctx, s, one(2))}
		busy.wantEcho(t)
		time.Sleep(10 * time.Second) // the run is under way
		cancel()
		for _, c := range both {
			if err := c.wait(); !errors.Is(err, context.Canceled) || c.took > 80*time.Second {
				t.Errorf("Infer gave %v after %v, want context.Canceled as soon as the sender has left", err, c.took)
			}
		}
	})
}
