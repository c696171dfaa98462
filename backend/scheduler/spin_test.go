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

func (s *spinner) Run(_ context.Context, inputs []oip.Tensor, _ []string, res *Results) error {
	shape := [...]int64{inputs[0].Shape[0], 1}
	res.Add("score", oip.FP32, shape[:], 4*int(shape[0]))
	s.runs.Add(1)
	for start := time.Now(); time.Since(start) < s.run+time.Duration(shape[0])*s.row; {
	}
	return nil
}

// BenchmarkTinyModel is a model of the cost of iris: 2.5 µs for a run, and little for each row.
func BenchmarkTinyModel(b *testing.B) {
	for _, batch := range []int{1, 32, 64} {
		b.Run(fmt.Sprintf("MaxBatch%d", batch), func(b *testing.B) {
			runner := &spinner{run: 2500 * time.Nanosecond, row: 100 * time.Nanosecond}
			s, err := New(Config{MaxBatchSize: batch}, runner)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close(b.Context())
			var wg sync.WaitGroup
			var u0, u1 syscall.Rusage
			syscall.Getrusage(0, &u0)
			for i := range 64 {
				n := b.N / 64
				if i < b.N%64 {
					n++
				}
				wg.Go(func() {
					r := iris()
					for range n {
						if err := s.Infer(context.Background(), r); err != nil {
							b.Error(err)
							return
						}
						r.Release()
					}
				})
			}
			wg.Wait()
			syscall.Getrusage(0, &u1)
			b.ReportMetric(float64(u1.Utime.Nano()+u1.Stime.Nano()-u0.Utime.Nano()-u0.Stime.Nano())/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(b.N)/float64(runner.runs.Load()), "rows/run")
		})
	}
}
