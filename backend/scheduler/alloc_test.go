//go:build !race

package scheduler

import (
	"context"
	"testing"
	"time"

	"ganglion/internal/oip"
)

// wantNoAllocs sends a request again and again.
func wantNoAllocs(ctx context.Context, t *testing.T, what string, s *Scheduler, r *Request) {
	t.Helper()
	send := func() {
		if err := s.Infer(ctx, r); err != nil {
			t.Fatal(err)
		}
		r.Release()
	}
	for range 10 {
		send()
	}
	if allocs := testing.AllocsPerRun(1000, send); allocs != 0 {
		t.Errorf("%s: %v allocations per request, want 0", what, allocs)
	}
}

func TestRequestsAloneDoNotAllocate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	masked := iris()
	masked.Inputs[0].Name = "x"
	ragged := Ragged{
		Inputs: []RaggedInput{{Name: "x", Axis: 1, Datatype: oip.FP32}}, Mask: Mask{"mask", oip.FP32}, Buckets: []int64{8},
	}
	timed := iris()
	timed.Deadline = time.Now().Add(time.Hour)
	named := iris()
	named.Want, named.Priority = []string{"score"}, 1
	wantNoAllocs(context.Background(), t, "plain", newScheduler(t, Config{}, nothing{}), iris())
	wantNoAllocs(context.Background(), t, "batching", newScheduler(t, Config{MaxBatchSize: 8}, nothing{}), iris())
	wantNoAllocs(ctx, t, "cancellable", newScheduler(t, Config{MaxBatchSize: 8}, nothing{}), iris())
	wantNoAllocs(ctx, t, "with a deadline", newScheduler(t, Config{MaxBatchSize: 8}, nothing{}), timed)
	wantNoAllocs(ctx, t, "with everything", newScheduler(t, Config{MaxBatchSize: 8, PriorityLevels: 2, MaxQueueDelay: time.Second, Observer: &counter{}}, nothing{}), named)
	wantNoAllocs(ctx, t, "with a mask", newScheduler(t, Config{MaxBatchSize: 8, Ragged: []Ragged{ragged}}, nothing{}), masked)
}

// TestBatchedRequestsDoNotAllocate has eight requests at a time share their runs.
func TestBatchedRequestsDoNotAllocate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const senders = 8
	counts := &counter{}
	s := newScheduler(t, Config{MaxBatchSize: senders, MaxQueueDelay: time.Minute, Observer: counts}, nothing{})
	turn, done := make(chan bool), make(chan error)
	defer close(turn)
	for i := range senders {
		go func() {
			r := iris()
			r.Inputs[0].Shape[0], r.Inputs[0].Data = 1, make([]byte, 16)
			r.Deadline = time.Now().Add(time.Duration(i+2) * time.Hour)
			for range turn {
				err := s.Infer(ctx, r)
				r.Release()
				done <- err
			}
		}()
	}
	round := func() {
		for range senders {
			turn <- true
		}
		for range senders {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	s.mu.Lock()
	for i := range s.crowds {
		s.crowds[i].peak = senders // the first of them waits for the others
	}
	s.mu.Unlock()
	for range 10 {
		round()
	}
	before := counts.runs.Load()
	if allocs := testing.AllocsPerRun(1000, round); allocs != 0 {
		t.Errorf("%v allocations per %d requests, want 0", allocs, senders)
	}
	if runs := counts.runs.Load() - before; runs != 1001 {
		t.Errorf("%d runs for 1001 rounds: this is no test of batches", runs)
	}
}

func TestRefusalsDoNotAllocate(t *testing.T) {
	s := newScheduler(t, Config{MaxQueueBytes: 1}, nothing{})
	s.mu.Lock()
	idle := s.idle
	s.idle = nil // as if it ran something
	s.mu.Unlock()
	r := iris()
	if allocs := testing.AllocsPerRun(1000, func() {
		if s.Infer(context.Background(), r) == nil {
			t.Error("the queue has room")
		}
	}); allocs > 0 {
		t.Errorf("%v allocations per refusal, want 0", allocs)
	}
	s.mu.Lock()
	s.idle = idle
	s.mu.Unlock()
}
