//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"ganglion/backend"
	"ganglion/backend/onnx"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// measureInside has clients in this process ask a scheduler and an engine for iris, with no network between, on the node's
// cores. A process has one ONNX Runtime at a time, so that the bare loops are over.
func (b *bench) measureInside(ctx context.Context) (err error) {
	if err := b.bare.close(); err != nil {
		return err
	}
	if err := keepTo(b.cores.node); err != nil {
		return err
	}
	runtime.GOMAXPROCS(len(b.cores.node))
	engine, err := onnx.New(onnx.Config{Library: b.library, Device: "cpu", Memory: 1 << 30})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	path, err := filepath.Abs(filepath.Join(b.models, "iris", "1", "model.onnx"))
	if err != nil {
		return err
	}
	model, err := engine.Open(path, backend.ModelOptions{MaxOutput: 1 << 20})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	var alone, together []float64
	for range b.rounds {
		for size, rates := range map[int]*[]float64{0: &alone, b.clients: &together} {
			rate, err := b.askInside(ctx, model, size)
			if err != nil {
				return err
			}
			*rates = append(*rates, rate)
		}
	}
	same := func(f float64) float64 { return f }
	one, many := median(alone, same), median(together, same)
	b.report.add(row{
		name: "iris, no network: answers a second together, times alone", value: many / one, format: "%.2f", goal: 5, atLeast: true,
		note: fmt.Sprintf("%.0f and %.0f through scheduler and engine", many, one),
	})
	return nil
}

// askInside returns how many requests are answered a second.
func (b *bench) askInside(ctx context.Context, model backend.Model, batchSize int) (float64, error) {
	s, err := scheduler.New(scheduler.Config{MaxBatchSize: batchSize}, model.Runners()...)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, b.duration/2)
	defer cancel()
	var clients sync.WaitGroup
	var given atomic.Int64
	errs := make(chan error, b.clients)
	for range b.clients {
		clients.Go(func() {
			r := &scheduler.Request{Inputs: []oip.Tensor{tensor(irisShape)}}
			var err error
			for err == nil && ctx.Err() == nil {
				err = s.Infer(context.Background(), r)
				r.Release()
				given.Add(1)
			}
			errs <- err
		})
	}
	clients.Wait()
	rate := float64(given.Load()) / time.Since(began).Seconds()
	for range b.clients {
		err = errors.Join(err, <-errs)
	}
	return rate, errors.Join(err, s.Close(context.Background()))
}
