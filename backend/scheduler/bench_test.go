//go:build unix

package scheduler

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ganglion/internal/oip"
)

// spinner is a Runner that keeps a processor busy: a fixed time for each run, and one for each row.
type spinner struct {
	run, row time.Duration
	runs     atomic.Int64
}

func (s *spinner) Run(ctx context.Context, inputs []oip.Tensor, want []string, res *Results) error {
	s.runs.Add(1)
	cost := s.run + time.Duration(inputs[0].Shape[0])*s.row
	start := time.Now()
	err := nothing{}.Run(ctx, inputs, want, res)
	for cost > 0 && time.Since(start) < cost {
		continue
	}
	return err
}

// benchmark sends b.N requests from so many goroutines, each waiting for its answer. It reports the processor time of a
// request too, which is what is left to compare on a machine that has other things to do.
func benchmark(ctx context.Context, b *testing.B, cfg Config, runner *spinner, senders int) {
	b.Helper()
	s, err := New(cfg, runner)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(b.Context())
	b.ReportAllocs()
	var wg sync.WaitGroup
	b.ResetTimer()
	before := processorTime()
	for i := range senders {
		wg.Go(func() {
			r := iris()
			for n := i; n < b.N; n += senders {
				if err := s.Infer(ctx, r); err != nil {
					b.Error(err)
					return
				}
				r.Release()
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/float64(runner.runs.Load()), "rows/run")
}

func processorTime() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// BenchmarkOverhead is what the scheduler adds to a run that costs nothing.
func BenchmarkOverhead(b *testing.B) {
	for _, batch := range []int{0, 64} {
		for _, senders := range []int{1, 64} {
			name := fmt.Sprintf("MaxBatch%d/Senders%d", batch, senders)
			b.Run(name, func(b *testing.B) {
				benchmark(context.Background(), b, Config{MaxBatchSize: batch}, &spinner{}, senders)
			})
			b.Run(name+"/Cancellable", func(b *testing.B) {
				benchmark(b.Context(), b, Config{MaxBatchSize: batch}, &spinner{}, senders)
			})
		}
	}
}

// BenchmarkTinyModel has 64 senders and a model that costs about what iris does on ONNX Runtime: 2.5 µs for a run, and 0.1 µs
// for each row.
func BenchmarkTinyModel(b *testing.B) {
	for _, batch := range []int{1, 32, 64} {
		b.Run(fmt.Sprintf("MaxBatch%d", batch), func(b *testing.B) {
			runner := &spinner{run: 2500 * time.Nanosecond, row: 100 * time.Nanosecond}
			benchmark(b.Context(), b, Config{MaxBatchSize: batch}, runner, 64)
		})
	}
}
