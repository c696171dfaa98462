package scheduler

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

// recorder keeps what an Observer is told.
type recorder struct {
	mu      sync.Mutex
	runs    []Run
	answers []Answer
}

func (r *recorder) Ran(run Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, run)
}

func (r *recorder) Answered(a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, a)
}

func TestObserverIsToldOfEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &recorder{}
		failed := errors.New("failed")
		runner := &fake{do: func(ctx context.Context, inputs []oip.Tensor) error {
			if values(&inputs[0])[0] == 13 {
				return failed
			}
			return sleep(ctx, time.Second)
		}}
		// Assembling and giving outputs take a second each, the first time.
		s := newScheduler(t, Config{MaxBatchSize: 4, MaxQueueRequests: 4, Observer: seen, Memory: slowMemory{}}, runner)
		busy := send(t.Context(), s, one(0))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		calls := []*call{
			send(t.Context(), s, one(1)), send(t.Context(), s, &Request{Inputs: []oip.Tensor{ints("x", 1, 2, 3)}}),
			send(t.Context(), s, due(4, 500*time.Millisecond)), send(ctx, s, one(5)),
		}
		synctest.Wait()
		if got, want := s.Stats(), (Stats{QueuedRequests: 4, QueuedBytes: 40, Busy: 1, Instances: 1}); got != want {
			t.Errorf("the load is %+v, want %+v", got, want)
		}
		send(t.Context(), s, one(6)).wait() // finds the queue full
		time.Sleep(300 * time.Millisecond)
		cancel()
		busy.wantEcho(t)
		for _, c := range calls {
			c.wait()
		}
		send(t.Context(), s, one(13)).wait()
		send(t.Context(), s, &Request{Inputs: []oip.Tensor{ints("x", 1, 1, 2, 3, 4, 5)}}).wait()
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		send(t.Context(), s, one(6)).wait()

		var outcomes []string
		for _, a := range seen.answers {
			outcomes = append(outcomes, a.Outcome.String())
		}
		slices.Sort(outcomes)
		want := []string{"cancelled", "closed", "expired", "failed", "invalid", "queue_full", "succeeded", "succeeded", "succeeded"}
		if !slices.Equal(outcomes, want) {
			t.Errorf("outcomes %v, want %v", outcomes, want)
		}
		second := time.Second
		wantRuns := []Run{
			{Requests: 1, Rows: 1, Infer: 2 * second},
			{Requests: 2, Rows: 3, Input: second, Infer: second}, // the results' memory is there already, but for its size
			{Requests: 1, Rows: 1, Err: failed},
		}
		for i, run := range seen.runs {
			if i >= len(wantRuns) || run.Requests != wantRuns[i].Requests || run.Rows != wantRuns[i].Rows ||
				run.Input != wantRuns[i].Input || run.Infer < wantRuns[i].Infer || !errors.Is(run.Err, wantRuns[i].Err) {
				t.Errorf("run %d was told as %+v", i, run)
			}
		}
		if timing := calls[1].r.Timing; timing.Queue != 2*second || timing.Input != second || timing.Infer < second || timing.Rows != 3 {
			t.Errorf("the request was told %+v", timing)
		}
		if timing := calls[3].r.Timing; timing.Queue != 300*time.Millisecond {
			t.Errorf("the cancelled request was told %+v", timing)
		}
	})
}
