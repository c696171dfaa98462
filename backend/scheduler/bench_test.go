package scheduler

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"ganglion/internal/oip"
)

// nothing is a Runner that gives one FP32 per row at no cost.
type nothing struct{}

func (nothing) Run(_ context.Context, inputs []oip.Tensor, _ []string, res *Results) error {
	shape := [...]int64{inputs[0].Shape[0], 1}
	res.Add("score", oip.FP32, shape[:], 4*int(shape[0]))
	return nil
}

// iris is a request of the size of the smallest model anybody serves.
func iris() *Request {
	return &Request{Inputs: []oip.Tensor{{Name: "features", Datatype: oip.FP32, Shape: []int64{1, 4}, Data: make([]byte, 16)}}}
}

func benchmarkSubmitters(b *testing.B, cfg Config, ctx context.Context, runner Runner, submitters int) {
	b.Helper()
	s, err := New(cfg, runner)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(b.Context())
	b.ReportAllocs()
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := range submitters {
		n := b.N / submitters
		if i < b.N%submitters {
			n++
		}
		wg.Go(func() {
			r := iris()
			for range n {
				if err := s.Infer(ctx, r); err != nil {
					b.Error(err)
					return
				}
				r.Release()
			}
		})
	}
	wg.Wait()
}

func BenchmarkOverhead(b *testing.B) {
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, batch := range []int{0, 64} {
		for _, submitters := range []int{1, 64} {
			b.Run(fmt.Sprintf("MaxBatch%d/Submitters%d", batch, submitters), func(b *testing.B) {
				benchmarkSubmitters(b, Config{MaxBatchSize: batch}, context.Background(), nothing{}, submitters)
			})
			b.Run(fmt.Sprintf("MaxBatch%d/Submitters%d/Cancellable", batch, submitters), func(b *testing.B) {
				benchmarkSubmitters(b, Config{MaxBatchSize: batch}, cancellable, nothing{}, submitters)
			})
		}
	}
}
