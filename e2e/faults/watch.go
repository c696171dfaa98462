//go:build linux

package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"ganglion/internal/loadgen"
)

// watched is what clients and the gateway have seen of a fault. Times count from the beginning of the load.
type watched struct {
	began   time.Time
	seen    []loadgen.Seen
	samples []sample
}

// sample is how many attempts there had been on each node at one moment.
type sample struct {
	at       time.Duration
	attempts map[string]uint64 // by address
}

// total is that of all nodes.
func (s *sample) total() (sum uint64) {
	for _, n := range s.attempts {
		sum += n
	}
	return sum
}

// sampleEvery is how often the gateway is asked: what is noticed is known to as much.
const sampleEvery = 50 * time.Millisecond

// warmup is not counted: connections are made, and the gateway learns how long answers take.
const warmup = time.Second

// watching runs the load until stop, and collects.
type watching struct {
	watched
	mu    sync.Mutex // guards watched
	first chan struct{}

	stopLoad, stopSamples context.CancelFunc
	load, sampler         sync.WaitGroup
	err                   error // of the load; read after load is done
}

// watch starts a load on a gateway and returns when it has begun to count. admin "" is not asked.
func watch(ctx context.Context, cfg loadgen.Config, admin string) (*watching, error) {
	w := &watching{first: make(chan struct{})}
	var once sync.Once
	cfg.Observe = func(s loadgen.Seen) {
		w.mu.Lock()
		w.seen = append(w.seen, s)
		w.mu.Unlock()
		once.Do(func() { close(w.first) })
	}
	var loadCtx, sampleCtx context.Context
	loadCtx, w.stopLoad = context.WithCancel(ctx)
	sampleCtx, w.stopSamples = context.WithCancel(ctx)
	ended := make(chan struct{})
	w.load.Go(func() {
		defer close(ended)
		_, w.err = loadgen.Run(loadCtx, cfg)
	})
	select {
	case <-w.first:
	case <-ended:
		w.stopSamples()
		return nil, errors.Join(w.err, ctx.Err())
	}
	w.mu.Lock()
	w.began = w.seen[0].Due
	w.mu.Unlock()
	if admin != "" {
		w.sample(sampleCtx, admin)
		w.sampler.Go(func() {
			for pause(sampleCtx, sampleEvery) == nil {
				w.sample(sampleCtx, admin)
			}
		})
	}
	return w, nil
}

// sample asks the gateway once. A gateway that cannot answer at the moment is asked again soon.
func (w *watching) sample(ctx context.Context, admin string) {
	st, err := readStatus(ctx, admin)
	if err != nil {
		return
	}
	s := sample{at: time.Since(w.began), attempts: map[string]uint64{}}
	for _, n := range st {
		s.attempts[n.Address] = n.Attempts
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, s)
}

// stop ends the load, waits for the answers to what was asked, and returns what was seen.
func (w *watching) stop(ctx context.Context, admin string) (*watched, error) {
	w.stopLoad()
	w.load.Wait()
	w.stopSamples()
	w.sampler.Wait()
	if admin != "" {
		w.sample(ctx, admin)
	}
	if w.err != nil && !errors.Is(w.err, context.Canceled) {
		return nil, w.err
	}
	return &w.watched, ctx.Err()
}
