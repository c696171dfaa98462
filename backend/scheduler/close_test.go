package scheduler

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseFinishesWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(time.Second)
		s := newScheduler(t, Config{}, runner)
		var calls []*call
		for i := range int64(3) {
			calls = append(calls, send(t.Context(), s, one(i)))
			synctest.Wait()
		}
		closed := make(chan error, 1)
		start := time.Now()
		go func() { closed <- s.Close(t.Context()) }()
		synctest.Wait()
		if err := s.Infer(t.Context(), one(9)); !errors.Is(err, ErrClosed) {
			t.Errorf("Infer while closing gave %v, want ErrClosed", err)
		}
		if err := <-closed; err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("Close gave %v after %v, want nil after 3s", err, time.Since(start))
		}
		for _, c := range calls {
			c.wantEcho(t)
		}
		wantRuns(t, runner, 1, 1, 1)
	})
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, Config{MaxBatchSize: 2}, lasting(time.Hour), lasting(time.Hour))
		var calls []*call
		for i := range int64(6) {
			r := one(i)
			if i%2 == 0 {
				r = due(i, time.Minute)
			}
			calls = append(calls, send(t.Context(), s, r))
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Close gave %v after %v, want context.DeadlineExceeded after 1s", err, time.Since(start))
		}
		for i, c := range calls {
			if err := c.wait(); !errors.Is(err, ErrClosed) {
				t.Errorf("request %d got %v, want ErrClosed", i, err)
			}
		}
	})
}

func TestCloseOfAnIdleScheduler(t *testing.T) {
	s := newScheduler(t, Config{}, &fake{})
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := s.Infer(t.Context(), one(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Infer gave %v, want ErrClosed", err)
	}
}
