// Package lifecycle runs the parts of a program together: it starts them in order, stops them in reverse order, and
// waits for each.
//
// It owns the goroutine of every part and nothing else. It refuses to hide a bug: a part that panics takes the process
// down with its stack, since a half-dead program that still answers its health check is worse than a restart.
//
// Concurrency: Add before Run, Run once; each part runs in a goroutine of its own.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
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
	type exit struct {
		part int
		err  error
	}
	exits := make(chan exit, len(g.parts))
	running := make([]runningPart, len(g.parts))
	for i, p := range g.parts {
		// A part's context does not descend from ctx: the end of ctx must reach the parts one by one, not all at once.
		pctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		running[i] = runningPart{cancel: cancel, done: make(chan struct{})}
		go func() {
			err := p.run(pctx)
			if errors.Is(err, context.Canceled) && pctx.Err() != nil {
				err = nil
			}
			exits <- exit{i, err}
			close(running[i].done)
		}()
	}

	var first error
	note := func(e exit) {
		if first == nil && e.err != nil {
			first = fmt.Errorf("%s: %w", g.parts[e.part].name, e.err)
		}
	}
	if len(g.parts) > 0 {
		select {
		case <-ctx.Done():
		case e := <-exits:
			note(e)
		}
	}
	for i := len(running) - 1; i >= 0; i-- {
		running[i].cancel()
		<-running[i].done
	}
	close(exits)
	for e := range exits {
		note(e)
	}
	return first
}

type runningPart struct {
	cancel context.CancelFunc
	done   chan struct{}
}
