package onnx

import (
	"context"
	"errors"
	"testing"
	"time"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// slowRows computes row by row for a long time: as Slow, but with a first dimension that is a batch.
func slowRows() *onnxfile.Model {
	m := onnxtest.Slow(2000)
	row := []onnxfile.Dim{onnxtest.Batch(), onnxfile.Fixed(512), onnxfile.Fixed(512)}
	m.Inputs[0].Type = onnxfile.TensorOf(onnxfile.Float, row...)
	m.Outputs[0].Type = onnxfile.TensorOf(onnxfile.Float, row...)
	return m
}

// witness is an instance of which every run's end is seen.
type witness struct {
	*runner
	ends chan error
}

func (w *witness) Run(ctx context.Context, inputs []oip.Tensor, want []string, results *scheduler.Results) error {
	err := w.runner.Run(ctx, inputs, want, results)
	w.ends <- err
	return err
}

// TestStopBatch: the run of a batch is ended when the last of those who wait for it has left, and not before.
func TestStopBatch(t *testing.T) {
	e := start(t, Config{Runs: 1})
	m := load(t, e, onnxtest.Write(t, slowRows()), testLimit)
	instance := &witness{m.runnerOn(m.sessions[0]), make(chan error, 2)}
	s, err := scheduler.New(scheduler.Config{MaxBatchSize: 2}, instance)
	if err != nil {
		t.Fatal(err)
	}
	type sender struct {
		leave context.CancelFunc
		ended chan error
	}
	send := func(patience time.Duration) sender {
		ctx, cancel := context.WithCancel(t.Context())
		sent := sender{cancel, make(chan error, 1)}
		go func() {
			r := &scheduler.Request{Inputs: []oip.Tensor{zeros("x", 1, 512, 512)}, Deadline: time.Now().Add(patience)}
			sent.ended <- s.Infer(ctx, r)
			r.Release()
		}()
		return sent
	}
	alone := send(time.Hour)
	underWay(instance.runner)
	first, second := send(time.Hour), send(2*time.Hour) // the second leads, so that the first can leave the run
	for s.Stats().QueuedRequests < 2 {
		time.Sleep(time.Millisecond)
	}
	wantStopped := func(who string, sent sender) {
		t.Helper()
		sent.leave()
		if err := <-sent.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", who, err)
		}
		if err := <-instance.ends; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the run went on to its end (%v), and nobody waited for it", who, err)
		}
	}
	wantStopped("alone", alone)
	underWay(instance.runner)
	first.leave()
	if err := <-first.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who leaves others: got %v", err)
	}
	if len(instance.ends) > 0 {
		t.Error("the run has ended while somebody waits for it")
	}
	wantStopped("the last", second)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
