// Package lifecycle runs the parts of a program together: it starts them in order, stops them in reverse order, and
// waits for each.
//
// It owns the goroutine of every part, the process's signals while it is asked to, and nothing else. It refuses to hide a bug: a part that panics takes the process
// down with its stack, since a half-dead program that still answers its health check is worse than a restart.
//
// Concurrency: Add before Run, Run once; each part runs in a goroutine of its own.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Group is a set of parts that live and die together. The zero value is ready to use.
type Group struct{ parts []part }

type part struct {
	name string
	run  func(ctx context.Context) error
}

// Add appends a part. Run calls run once; run blocks until its context ends or it cannot go on, and has let go of
// everything it owns when it returns. What a part needs is added before it, so that it is stopped after it.
func (g *Group) Add(name string, run func(ctx context.Context) error) {
	g.parts = append(g.parts, part{name, run})
}

// Run starts all parts in the order of Add and returns when all have stopped. When ctx ends, or when the first part
// returns by itself (with an error or without), the parts are stopped one by one in reverse order of Add, each awaited
// before the next is told. Run returns the error that came first, prefixed with the name of its part. A part that
// returns the cancellation it was given has stopped cleanly.
func (g *Group) Run(ctx context.Context) error {
	exits := make(chan exit, len(g.parts)) // room for all, so that no part waits to be heard
	running := make([]*running, len(g.parts))
	for i, p := range g.parts {
		running[i] = p.start(ctx, exits)
	}
	var first error
	if len(running) > 0 {
		select {
		case <-ctx.Done():
		case e := <-exits:
			first = e.err
		}
	}
	for _, r := range slices.Backward(running) {
		r.stop()
	}
	for close(exits); first == nil; {
		e, more := <-exits
		if !more {
			break
		}
		first = e.err
	}
	return first
}

// running is a part that has been started.
type running struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// exit is how a part ended; err is nil if it ended well.
type exit struct{ err error }

func (p part) start(ctx context.Context, exits chan<- exit) *running {
	// The context keeps ctx's values but not its end, which must reach the parts one by one and not all at once.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		err := p.run(ctx)
		if err != nil && !(errors.Is(err, context.Canceled) && ctx.Err() != nil) {
			err = fmt.Errorf("%s: %w", p.name, err)
		} else {
			err = nil
		}
		exits <- exit{err}
	}()
	return r
}

func (r *running) stop() {
	r.cancel()
	<-r.done
}
