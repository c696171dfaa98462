package scheduler

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

// TestThroughputOfBatches has 64 clients send one row at a time to a model that takes 5 ms and 0.1 ms for each row, and holds
// what they get against what the model gives when it is run in a loop with full batches.
func TestThroughputOfBatches(t *testing.T) {
	for name, cfg := range map[string]Config{
		"half of the clients": {MaxBatchSize: 32},
		"all of the clients":  {MaxBatchSize: 64, MaxQueueDelay: time.Millisecond},
		"beyond the clients":  {MaxBatchSize: 256, MaxQueueDelay: time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			const clients, window = 64, 10 * time.Second
			cost := func(rows int) time.Duration { return 5*time.Millisecond + time.Duration(rows)*100*time.Microsecond }
			runner := &fake{}
			runner.do = func(ctx context.Context, inputs []oip.Tensor) error { return sleep(ctx, cost(int(inputs[0].Shape[0]))) }
			s := newScheduler(t, cfg, runner)
			stop := time.Now().Add(window)
			var mu sync.Mutex
			var queued []time.Duration
			var wg sync.WaitGroup
			for i := range clients {
				wg.Go(func() {
					for r := one(int64(i)); time.Now().Before(stop); {
						if err := s.Infer(t.Context(), r); err != nil {
							t.Error(err)
						}
						mu.Lock()
						queued = append(queued, r.Timing.Queue)
						mu.Unlock()
						r.Release()
						time.Sleep(50 * time.Microsecond) // on the way back and forth
					}
				})
			}
			wg.Wait()
			slices.Sort(queued)
			total, p99 := len(queued), queued[len(queued)*99/100]
			batch := min(cfg.MaxBatchSize, clients)
			ideal := float64(window) / float64(cost(batch)) * float64(batch)
			share := float64(total) / ideal
			t.Logf("%s: %d rows in %v, %.3f of %.0f; p99 in the queue %v", name, total, window, share, ideal, p99)
			if share < 0.95 {
				t.Errorf("%s: %.3f of what full batches give, want 0.95", name, share)
			}
			if most := cfg.MaxQueueDelay + cost(batch); p99 > most {
				t.Errorf("%s: p99 in the queue %v, want at most delay and one batch, %v", name, p99, most)
			}
		})
	}
}
