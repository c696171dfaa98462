//go:build !race

package onnx

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// TestRunsDoNotAllocate takes requests through a scheduler and the engine: with outputs whose shapes are told beforehand and
// those that the runtime allocates, strings, inputs that do not lie as their type wants, and a deadline.
func TestRunsDoNotAllocate(t *testing.T) {
	e := start(t, Config{Memory: 1 << 30})
	iris := load(t, e, filepath.Join(onnxtest.Root(t), "models", "iris", "1", "model.onnx"), testLimit)
	language := load(t, e, filepath.Join(onnxtest.Root(t), "models", "language_id", "1", "model.onnx"), testLimit)
	fill := load(t, e, onnxtest.Write(t, onnxtest.Fill(2)), testLimit)
	crooked := tensor("measurements", oip.FP32, []int64{1, 4}, []float32{5.1, 3.5, 1.4, 0.2}...)
	crooked.Data = append(make([]byte, 1), crooked.Data...)[1:]
	later := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		model   *model
		request *scheduler.Request
	}{
		"shape known":   {iris, &scheduler.Request{Inputs: []oip.Tensor{crooked}, Want: []string{"probabilities"}}},
		"all outputs":   {iris, &scheduler.Request{Inputs: []oip.Tensor{crooked}, Deadline: later}},
		"text":          {language, &scheduler.Request{Inputs: []oip.Tensor{tensor("bytes", oip.Uint8, []int64{1, 5}, []byte("hello")...)}, Deadline: later}},
		"shape unknown": {fill, &scheduler.Request{Inputs: []oip.Tensor{size(10, 10)}, Deadline: later}},
	} {
		s, err := scheduler.New(scheduler.Config{MaxBatchSize: 8, RunLarger: true}, c.model.runnerOn(c.model.sessions[0]), c.model.runnerOn(c.model.sessions[0]))
		if err != nil {
			t.Fatal(err)
		}
		send := func() {
			if err := s.Infer(context.Background(), c.request); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			c.request.Release()
		}
		for range 10 {
			send()
		}
		if allocs := testing.AllocsPerRun(1000, send); allocs != 0 {
			t.Errorf("%s: %v allocations per run, want 0", name, allocs)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
