package scheduler

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

// wantRuns checks the rows of the runs so far.
func wantRuns(t *testing.T, f *fake, want ...int) {
	t.Helper()
	if got := f.runs(); !slices.Equal(got, want) {
		t.Errorf("runs of %v rows, want %v", got, want)
	}
}

// crowded makes a scheduler that has lately seen so many requests at a time, and is idle.
func crowded(t *testing.T, cfg Config, requests int, runners ...Runner) *Scheduler {
	s := newScheduler(t, cfg, runners...)
	r := one(0)
	if err := s.admit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s.crowds[r.hash%crowds].peak = requests
	return s
}

func TestLoneRequestIsNotDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(time.Millisecond)
		s := newScheduler(t, Config{MaxBatchSize: 8, MaxQueueDelay: time.Second}, runner)
		for i := range 3 {
			c := send(t.Context(), s, one(int64(i)))
			c.wantEcho(t)
			if c.took != time.Millisecond {
				t.Errorf("request %d took %v, want the run's 1ms", i, c.took)
			}
		}
		wantRuns(t, runner, 1, 1, 1)
	})
}

// TestDelayIsWastedOnce has a client that is alone again after others have left.
func TestDelayIsWastedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &fake{}
		s := crowded(t, Config{MaxBatchSize: 8, MaxQueueDelay: time.Second}, 5, runner)
		for i, want := range []time.Duration{time.Second, 0, 0} {
			c := send(t.Context(), s, one(1))
			c.wantEcho(t)
			if c.took != want {
				t.Errorf("request %d took %v, want %v", i, c.took, want)
			}
		}
	})
}

func TestPartialBatchWaitsForTheDelayOfItsOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &fake{}
		s := crowded(t, Config{MaxBatchSize: 8, MaxQueueDelay: time.Second}, 8, runner)
		first := send(t.Context(), s, one(1))
		time.Sleep(600 * time.Millisecond)
		second := send(t.Context(), s, one(2))
		first.wantEcho(t)
		second.wantEcho(t)
		if first.took != time.Second || second.took != 400*time.Millisecond {
			t.Errorf("they took %v and %v, want 1s and 400ms", first.took, second.took)
		}
		wantRuns(t, runner, 2)
	})
}

func TestFullBatchDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &fake{}
		s := crowded(t, Config{MaxBatchSize: 4, MaxQueueDelay: time.Second}, 9, runner)
		first := send(t.Context(), s, &Request{Inputs: []oip.Tensor{ints("x", 1, 1, 2, 3)}})
		synctest.Wait()
		wantRuns(t, runner)
		last := send(t.Context(), s, one(4))
		first.wantEcho(t)
		last.wantEcho(t)
		if first.took != 0 {
			t.Errorf("a full batch waited %v", first.took)
		}
		wantRuns(t, runner, 4)
	})
}

func TestBatchDoesNotWaitWhenEverybodyIsHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &fake{}
		s := crowded(t, Config{MaxBatchSize: 64, MaxQueueDelay: time.Second}, 3, runner)
		var calls []*call
		for i := range 3 {
			time.Sleep(time.Millisecond)
			calls = append(calls, send(t.Context(), s, one(int64(i))))
		}
		for i, c := range calls {
			c.wantEcho(t)
			if want := time.Duration(2-i) * time.Millisecond; c.took != want {
				t.Errorf("request %d took %v, want %v", i, c.took, want)
			}
		}
		wantRuns(t, runner, 3)
	})
}

func TestDelayThatWouldOutlastADeadlineIsNotBegun(t *testing.T) {
	for _, by := range []string{"request", "context"} {
		synctest.Test(t, func(t *testing.T) {
			runner := &fake{}
			s := crowded(t, Config{MaxBatchSize: 8, MaxQueueDelay: time.Second}, 8, runner)
			first := send(t.Context(), s, one(1))
			synctest.Wait()
			unhurried := send(t.Context(), s, due(2, time.Minute))
			synctest.Wait()
			wantRuns(t, runner)
			time.Sleep(100 * time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			hurried := one(3)
			if by == "request" {
				ctx, hurried = t.Context(), due(3, 500*time.Millisecond)
			}
			last := send(ctx, s, hurried)
			for _, c := range []*call{first, unhurried, last} {
				c.wantEcho(t)
			}
			if last.took != 0 {
				t.Errorf("a request that could not wait for the delay, by its %s, took %v", by, last.took)
			}
			wantRuns(t, runner, 3)
		})
	}
}

func TestPreferredSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(10 * time.Second)
		s := crowded(t, Config{MaxBatchSize: 64, MaxQueueDelay: time.Second, PreferredSizes: []int{8, 4}}, 40, runner)
		for range 4 { // dispatched when the fourth is there
			send(t.Context(), s, one(1))
		}
		synctest.Wait()
		wantRuns(t, runner, 4)
		for range 10 { // cut to the largest preferred size when the instance is free; the rest waits for its delay
			send(t.Context(), s, one(1))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantRuns(t, runner, 4, 8)
		time.Sleep(10*time.Second + 999*time.Millisecond)
		wantRuns(t, runner, 4, 8)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		wantRuns(t, runner, 4, 8, 2)
		time.Sleep(10 * time.Second)
	})
}

// TestFullQueueEndsTheDelay has a queue that is shorter than a batch.
func TestFullQueueEndsTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &fake{}
		s := crowded(t, Config{MaxBatchSize: 8, MaxQueueDelay: time.Second, MaxQueueRequests: 2}, 8, runner)
		var calls []*call
		for i := range 3 {
			calls = append(calls, send(t.Context(), s, one(int64(i))))
			synctest.Wait()
		}
		for i, c := range calls {
			c.wantEcho(t)
			if c.took != 0 {
				t.Errorf("request %d took %v, want no delay", i, c.took)
			}
		}
		wantRuns(t, runner, 3)
	})
}

// TestClientsThatFellApartMeetAgain has two clients whose requests take turns. A delay that had passed while the other's run
// kept the instance busy would keep them so for ever.
func TestClientsThatFellApartMeetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(50 * time.Millisecond)
		s := newScheduler(t, Config{MaxBatchSize: 8, MaxQueueDelay: 5 * time.Millisecond}, runner)
		client := func(ctx context.Context, begin time.Duration) {
			time.Sleep(begin)
			for range 6 {
				send(ctx, s, one(1)).wantEcho(t)
				time.Sleep(time.Millisecond)
			}
		}
		go client(t.Context(), 0)
		client(t.Context(), 25*time.Millisecond)
		synctest.Wait()
		got := runner.runs()
		if len(got) > 8 || !slices.Contains(got, 2) {
			t.Errorf("runs of %v rows, want all but the first and last to be of 2", got)
		}
		time.Sleep(time.Second)
	})
}

func TestCloseEndsTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowded(t, Config{MaxBatchSize: 8, MaxQueueDelay: time.Hour}, 8, &fake{})
		c := send(t.Context(), s, one(1))
		synctest.Wait()
		if c.over() {
			t.Error("the request did not wait for others")
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		c.wantEcho(t)
		if c.took != 0 {
			t.Errorf("it took %v to close", c.took)
		}
	})
}

// TestSendersAreLetInBeforeAShortRun has senders on one processor, each of which could go on for long without the others.
func TestSendersAreLetInBeforeAShortRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const senders, each = 8, 100
	runner := &fake{}
	s := crowded(t, Config{MaxBatchSize: senders}, senders, runner)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			r := one(int64(i))
			for range each {
				if err := s.Infer(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if runs := len(runner.runs()); runs > senders*each/2 { // nearly all, without
		t.Errorf("%d runs for %d requests, want batches of nearly %d", runs, senders*each, senders)
	}
	b := &batch{limit: senders, weight: 1, items: []item{{request: &Request{admitted: admitted{crowd: &crowd{here: 1, peak: 2}}}}}}
	if s.longRun = gatherBelow; s.shouldGather(b) {
		t.Error("others are waited for before a long run")
	}
}

// TestSendersFindEachOther has the same senders, of whom the scheduler has not yet seen two at a time.
func TestSendersFindEachOther(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const senders, each = 8, 500
	runner := &fake{}
	s := newScheduler(t, Config{MaxBatchSize: senders}, runner)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			r := one(int64(i))
			for range each {
				if err := s.Infer(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if runs := len(runner.runs()); runs > senders*each/2 { // nearly all, without
		t.Errorf("%d runs for %d requests, want batches of nearly %d", runs, senders*each, senders)
	}
}
