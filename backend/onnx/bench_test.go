package onnx

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"ganglion/backend/onnx/onnxtest"
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
