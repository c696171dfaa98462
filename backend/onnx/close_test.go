package onnx

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
)

// TestCloseWaits: closing a model while it is busy breaks no run, and later runs fail.
func TestCloseWaits(t *testing.T) {
	e := start(t, Config{})
	opened, err := e.Open(onnxtest.Write(t, onnxtest.Sum()), backend.ModelOptions{MaxOutput: testLimit})
	if err != nil {
		t.Fatal(err)
	}
	m := opened.(*model)
	in := []oip.Tensor{zeros("a", 4, 4), zeros("b", 4, 4)}
	var wg sync.WaitGroup
	busy := make(chan struct{}, 4)
	for range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				_, err := m.Run(t.Context(), in, nil)
				if errors.Is(err, errClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n == 10 {
					busy <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-busy
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := m.Close(); !errors.Is(err, errClosed) {
		t.Errorf("closed twice: got %v", err)
	}
}

// TestCloseEngineLast: an engine under open models does not go away.
func TestCloseEngineLast(t *testing.T) {
	e := start(t, Config{})
	load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
	if err := e.Close(); err == nil || !strings.Contains(err.Error(), "BUG") {
		t.Errorf("got %v, want a bug reported", err)
	}
}

// TestOneEngine: a process has one environment.
func TestOneEngine(t *testing.T) {
	start(t, Config{})
	if _, err := New(Config{Library: onnxtest.Library(t), Device: "cpu"}); err == nil || !strings.Contains(err.Error(), "open already") {
		t.Errorf("got %v", err)
	}
}
