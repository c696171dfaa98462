package onnx

import (
	"context"
	"errors"
	"testing"
	"time"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
)

// TestStopRun: a run ends soon after its context, and its slot serves the next.
func TestStopRun(t *testing.T) {
	e := start(t, Config{Runs: 1})
	m := load(t, e, onnxtest.Write(t, onnxtest.Slow(2000)), testLimit) // some ten seconds
	in := []oip.Tensor{zeros("x", 512, 512)}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		began := time.Now()
		_, err := m.Run(ctx, in, nil)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the context's error", err)
		}
		// The runtime looks up every fraction of a millisecond; the rest is for a busy machine.
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the run went on for %v after its context ended", took)
		}
	}
	infer(t, m, zeros("x", 1, 1))
}

// TestStopWaiting: a run that waits for a slot stops waiting when its context ends.
func TestStopWaiting(t *testing.T) {
	e := start(t, Config{Runs: 1})
	m := load(t, e, onnxtest.Write(t, onnxtest.Slow(2000)), testLimit)
	in := []oip.Tensor{zeros("x", 512, 512)}
	first, stopFirst := context.WithCancel(t.Context())
	firstDone := make(chan error)
	go func() {
		_, err := m.Run(first, in, nil)
		firstDone <- err
	}()
	for len(e.slots.free) > 0 { // until the first has the only slot
		time.Sleep(time.Millisecond)
	}
	second, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := m.Run(second, in, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting: got %v, want the context's error", err)
	}
	select {
	case err := <-firstDone:
		t.Fatalf("the first run ended with %v", err)
	default:
	}
	stopFirst()
	if err := <-firstDone; !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: got %v, want the context's error", err)
	}
}

// TestEndedContext: nothing runs for a request that is over.
func TestEndedContext(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Run(ctx, []oip.Tensor{zeros("a", 1, 1), zeros("b", 1, 1)}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
