package scheduler

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

func due(value int64, in time.Duration) *Request {
	r := one(value)
	r.Deadline = time.Now().Add(in)
	return r
}

// wantTimeout checks that a call was answered with ErrTimeout after exactly d.
func wantTimeout(t *testing.T, c *call, d time.Duration) {
	t.Helper()
	err := c.wait()
	var client *oip.Error
	if !errors.Is(err, ErrTimeout) || !errors.As(err, &client) || client.Code != oip.DeadlineExceeded {
		t.Errorf("Infer gave %v, want ErrTimeout with code %v", err, oip.DeadlineExceeded)
	}
	if c.took != d {
		t.Errorf("it was answered after %v, want %v", c.took, d)
	}
}

func TestQueuedRequestExpiresWhileInstanceIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(90 * time.Second)
		s := newScheduler(t, Config{MaxBatchSize: 8}, runner)
		ctx := context.Background() // that cannot end: nothing but the deadlines sets the alarm
		busy := send(ctx, s, one(1))
		synctest.Wait()
		late := send(ctx, s, due(2, 10*time.Second))
		synctest.Wait()
		early := send(ctx, s, due(3, 3*time.Second)) // the alarm has to be brought forward
		synctest.Wait()
		if got := s.Stats().QueuedRequests; got != 2 {
			t.Errorf("%d requests are queued, want 2", got)
		}
		wantTimeout(t, early, 3*time.Second)
		wantTimeout(t, late, 10*time.Second)
		if got := s.Stats(); got.QueuedRequests != 0 || got.QueuedBytes != 0 {
			t.Errorf("expired requests are still queued: %+v", got)
		}
		busy.wantEcho(t)
		if got := runner.runs(); len(got) != 1 {
			t.Errorf("runs of %v rows, want only the first request's", got)
		}
		if late.r.Timing.Queue != 10*time.Second {
			t.Errorf("queue time %v, want 10s", late.r.Timing.Queue)
		}
	})
}

// TestDeadlineAtTheEndOfARun has the alarm and the end of a run race for a request whose time is over.
func TestDeadlineAtTheEndOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(time.Second)
		s := newScheduler(t, Config{MaxBatchSize: 2}, runner)
		for range 50 {
			busy := send(t.Context(), s, one(1))
			synctest.Wait()
			queued := send(t.Context(), s, due(2, time.Second))
			busy.wantEcho(t)
			wantTimeout(t, queued, time.Second)
		}
		if got := runner.runs(); len(got) != 50 {
			t.Errorf("%d runs, want 50: %d of requests that had expired", len(got), len(got)-50)
		}
	})
}

func TestDeadlineInThePastIsNotRun(t *testing.T) {
	runner := &fake{}
	s := newScheduler(t, Config{}, runner)
	if err := s.Infer(t.Context(), due(1, -time.Second)); !errors.Is(err, ErrTimeout) {
		t.Errorf("Infer gave %v, want ErrTimeout", err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := s.Infer(ctx, one(1)); !errors.Is(err, ErrTimeout) {
		t.Errorf("Infer gave %v, want ErrTimeout", err)
	}
	if got := runner.runs(); len(got) != 0 {
		t.Errorf("runs of %v rows, want none", got)
	}
}

func TestDeadlineOfContextCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, Config{MaxBatchSize: 8}, lasting(time.Second))
		busy := send(t.Context(), s, one(1))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		queued := send(ctx, s, due(2, 500*time.Millisecond))
		wantTimeout(t, queued, 100*time.Millisecond)
		busy.wantEcho(t)
	})
}

func TestDeadlineOfLoneRunStopsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := newStoppable(time.Minute)
		s := newScheduler(t, Config{MaxBatchSize: 8}, runner)
		wantTimeout(t, send(t.Context(), s, due(1, time.Second)), time.Second)
		if got := runner.stops.Load(); got != 1 {
			t.Errorf("Stop was called %d times, want once", got)
		}
	})
}

// TestDeadlinesInsideABatch has four requests share a run. Each is answered at its own deadline although one of their
// goroutines is inside the Runner, and the run ends with the last one.
func TestDeadlinesInsideABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := newStoppable(time.Minute)
		s := newScheduler(t, Config{MaxBatchSize: 8}, runner)
		first := send(t.Context(), s, due(0, time.Second))
		synctest.Wait()
		var calls []*call
		for i, seconds := range []time.Duration{5, 20, 3, 10} { // the first queued one is neither the first nor the last to expire
			calls = append(calls, send(t.Context(), s, due(int64(i+1), seconds*time.Second)))
			synctest.Wait()
		}
		wantTimeout(t, first, time.Second)
		wantTimeout(t, calls[2], 3*time.Second)
		wantTimeout(t, calls[0], 5*time.Second)
		wantTimeout(t, calls[3], 10*time.Second)
		if got := runner.stops.Load(); got != 1 {
			t.Errorf("Stop was called %d times while somebody waits, want once for the first run", got)
		}
		wantTimeout(t, calls[1], 20*time.Second)
		if got := runner.stops.Load(); got != 2 {
			t.Errorf("Stop was called %d times, want twice", got)
		}
		if got := runner.runs(); len(got) != 2 || got[1] != 4 {
			t.Errorf("runs of %v rows, want 1 and 4", got)
		}
	})
}

// TestLateComersWithLaterDeadlines checks that a leader with a near deadline does not take requests into its batch that
// would have it run on beyond it.
func TestLateComersWithLaterDeadlines(t *testing.T) {
	s := newScheduler(t, Config{MaxBatchSize: 8}, &fake{})
	r := one(1)
	r.deadline, s.longRun = 10*time.Second, time.Second
	if got := s.latestFor(r, 0); got != never {
		t.Errorf("with 10s left and runs of 1s: %v, want any", got)
	}
	if got := s.latestFor(r, 7*time.Second); got != r.deadline {
		t.Errorf("with 3s left and runs of 1s: %v, want %v", got, r.deadline)
	}
}
