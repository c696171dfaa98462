package onnx

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// BenchmarkRunIris is the least a run can cost: four numbers in, a string and four numbers out.
func BenchmarkRunIris(b *testing.B) {
	for _, c := range []struct {
		name     string
		memory   int64
		outputs  []string
		deadline bool
	}{
		{"numbers", 0, []string{"probabilities"}, false},
		{"numbers, shared arena", 1 << 30, []string{"probabilities"}, false},
		{"all outputs, shared arena", 1 << 30, nil, false},
		{"all outputs, shared arena, deadline", 1 << 30, nil, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := start(b, Config{Memory: c.memory})
			m := load(b, e, filepath.Join(onnxtest.Root(b), "models", "iris", "1", "model.onnx"), testLimit)
			in := []oip.Tensor{tensor("measurements", oip.FP32, []int64{1, 4}, []float32{5.1, 3.5, 1.4, 0.2}...)}
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if c.deadline {
					limited, cancel := context.WithTimeout(ctx, time.Minute)
					if _, err := m.Run(limited, in, c.outputs); err != nil {
						b.Fatal(err)
					}
					cancel()
				} else if _, err := m.Run(ctx, in, c.outputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBatchSizes is what a row costs in batches of different sizes, in a bare loop over one instance. The default
// batch size of a node rests on it.
func BenchmarkBatchSizes(b *testing.B) {
	e := start(b, Config{Memory: 1 << 30})
	for _, c := range []struct {
		name string
		d    oip.Datatype
		row  []int64
	}{
		{"iris", oip.FP32, []int64{4}},
		{"language_id", oip.Uint8, []int64{64}},
		{"fashion_mnist_cnn", oip.FP32, []int64{1, 28, 28}},
	} {
		m := load(b, e, filepath.Join(onnxtest.Root(b), "models", c.name, "1", "model.onnx"), testLimit)
		for _, rows := range []int64{1, 4, 8, 16, 32, 64, 256} {
			b.Run(fmt.Sprintf("%s/%d", c.name, rows), func(b *testing.B) {
				shape := append([]int64{rows}, c.row...)
				count, err := oip.ElementCount(shape)
				if err != nil {
					b.Fatal(err)
				}
				in := []oip.Tensor{{Name: m.inputs[0].Name, Datatype: c.d, Shape: shape, Data: bytes.Repeat([]byte{0x41}, int(count)*c.d.Size())}}
				runner, results := m.runnerOn(m.sessions[0]), scheduler.NewResults(nil)
				ctx := context.Background()
				for b.Loop() {
					results.Reset()
					if err := runner.Run(ctx, in, nil, results); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(rows), "µs/row")
			})
		}
	}
}

// BenchmarkClients is what a request for iris costs in scheduler and engine alone, with 64 clients at a time: run one by one,
// and together.
func BenchmarkClients(b *testing.B) {
	const clients = 64
	e := start(b, Config{Memory: 1 << 30})
	m := load(b, e, filepath.Join(onnxtest.Root(b), "models", "iris", "1", "model.onnx"), testLimit)
	for name, size := range map[string]int{"alone": 0, "together": clients} {
		b.Run(name, func(b *testing.B) {
			s, err := scheduler.New(scheduler.Config{MaxBatchSize: size}, m.Runners()...)
			if err != nil {
				b.Fatal(err)
			}
			var wg sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(b.N))
			for range clients {
				wg.Go(func() {
					r := &scheduler.Request{Inputs: []oip.Tensor{tensor("measurements", oip.FP32, []int64{1, 4}, []float32{5.1, 3.5, 1.4, 0.2}...)}}
					for left.Add(-1) >= 0 {
						if err := s.Infer(context.Background(), r); err != nil {
							b.Error(err)
						}
						r.Release()
					}
				})
			}
			wg.Wait()
			if err := s.Close(context.Background()); err != nil {
				b.Error(err)
			}
		})
	}
}
