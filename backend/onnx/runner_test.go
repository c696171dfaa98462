package onnx

import (
	"context"
	"errors"
	"testing"
	"time"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// TestStopMeansOneRun: an instance that has been told to stop, before, during or after a run, makes the next one to its end.
func TestStopMeansOneRun(t *testing.T) {
	e := start(t, Config{Runs: 1})
	m := load(t, e, onnxtest.Write(t, onnxtest.Slow(2000)), testLimit)
	r := m.runnerOn(m.sessions[0])
	results := scheduler.NewResults(nil)
	long, short := []oip.Tensor{zeros("x", 512, 512)}, []oip.Tensor{zeros("x", 1, 1)}
	works := func(when string) {
		t.Helper()
		results.Reset()
		if err := r.Run(t.Context(), short, nil, results); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	r.Stop()
	works("stopped while idle")
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		results.Reset()
		go func() { ended <- r.Run(ctx, long, nil, results) }()
		underWay(r)
		cancel()
		r.Stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("stopped: got %v, want the context's error", err)
		}
		works("stopped in the last run")
	}
}

// underWay waits until r runs.
func underWay(r *runner) {
	for {
		r.mu.Lock()
		under := r.slot != nil
		r.mu.Unlock()
		if under {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestWhoseFault: which failures let a batch be divided.
func TestWhoseFault(t *testing.T) {
	e := start(t, Config{Memory: 64 << 20})
	m := load(t, e, onnxtest.Write(t, onnxtest.Fill(2)), testLimit)
	for name, c := range map[string]struct {
		input oip.Tensor
		split bool
	}{
		"an operator, in a model that never worked": {size(-1, 1), true},
		"more memory than there is":                 {size(1<<30, 100), true},
	} {
		_, err := m.Run(t.Context(), []oip.Tensor{c.input}, nil)
		var marked scheduler.Splittable
		if err == nil || !errors.As(err, &marked) || marked.BatchSplittable() != c.split {
			t.Errorf("%s: %v is not marked", name, err)
		}
	}
}
