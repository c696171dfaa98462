//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// bench is one run.
type bench struct {
	*options
	dir      string
	progress io.Writer
}

// calibrate finds out what a node can really do here: timers are late by a little, on a busy machine by more.
func (b *bench) calibrate(ctx context.Context, r *report) error {
	n, err := startNode("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer n.stop()
	r.Capacity = newClients(n.address).fill(ctx, 2*slots, min(b.duration, 5*time.Second))
	if r.Capacity < 1 {
		return fmt.Errorf("the node answers nothing")
	}
	fmt.Fprintf(b.progress, "capacity: %.0f requests/s\n", r.Capacity)
	return ctx.Err()
}

// measure offers a system every load.
func (b *bench) measure(ctx context.Context, s system, r *report) error {
	n, err := startNode("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer n.stop()
	p, address, err := b.start(s, n)
	if err != nil {
		return err
	}
	defer p.Stop()
	asked := newClients(address)
	if err := p.Await(asked.served); err != nil {
		return err
	}
	if s.enforce {
		asked.offer(ctx, 1.5*r.Capacity, learning) // a limit is found under load only
	}
	for _, load := range loads {
		row, err := b.offer(ctx, s, n, asked, load, r.Capacity)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.progress, "%-50s %4.1f × capacity: %.0f%% of it in time, refusals within %s\n", s.title, load, 100*row.PerSecond/r.Capacity, row.Refused.P99)
		r.Rows = append(r.Rows, row)
	}
	return nil
}

// late is more than an idle machine makes the generator be.
const late = 5 * time.Millisecond

// offer measures one load. When the generator was late, which something else on the machine has made it, it tries again; the try
// in which it was least late counts.
func (b *bench) offer(ctx context.Context, s system, n *node, asked *clients, load, capacity float64) (best row, err error) {
	for try := range b.tries {
		row := newRow(s.title, load, b.duration, asked.offer(ctx, load*capacity, warmup+b.duration))
		if err := n.settle(ctx); err != nil {
			return best, err
		}
		if try == 0 || row.Unsent.P99 < best.Unsent.P99 {
			best = row
		}
		if best.Unsent.P99 <= late {
			break
		}
	}
	return best, ctx.Err()
}

// warmup is not counted: that is when queues fill.
const warmup = 2 * time.Second

// learning is how long a limit may take to be found: some trials of a few seconds.
const learning = 20 * time.Second

// outage offers a system a pool of two nodes that both break. The try counts in which the generator was least late.
func (b *bench) outage(ctx context.Context, s system, r *report) error {
	var best outageRow
	for try := range b.tries {
		row, err := b.breakAll(ctx, s, r.Capacity)
		if err != nil {
			return err
		}
		if try == 0 || row.unsent() < best.unsent() {
			best = row
		}
		if best.unsent() <= late {
			break
		}
	}
	fmt.Fprintf(b.progress, "%-50s no node: %.2f attempts a request, answers within %s and %s\n", s.title, best.Attempts, best.Reset.Answers.P99, best.Closed.Answers.P99)
	r.Outages = append(r.Outages, best)
	return ctx.Err()
}

// breakAll has two nodes work, then reset every connection, and then has nobody listen any more.
func (b *bench) breakAll(ctx context.Context, s system, rate float64) (row outageRow, err error) {
	var nodes []*node
	defer func() {
		for _, n := range nodes {
			n.stop()
		}
	}()
	for range 2 {
		n, err := startNode("127.0.0.1:0")
		if err != nil {
			return row, err
		}
		nodes = append(nodes, n)
	}
	p, address, err := b.start(s, nodes...)
	if err != nil {
		return row, err
	}
	defer p.Stop()
	asked := newClients(address)
	if err := p.Await(asked.served); err != nil {
		return row, err
	}
	asked.offer(ctx, rate, 2*time.Second) // as it was before
	before := attempts(nodes)
	for _, n := range nodes {
		n.broken.Store(true)
	}
	outcomes := asked.offer(ctx, rate, b.duration)
	row = outageRow{System: s.title, Attempts: float64(attempts(nodes)-before) / float64(max(1, len(outcomes))), Reset: newPhase(outcomes)}
	for _, n := range nodes {
		n.stop()
	}
	nodes = nil
	row.Closed = newPhase(asked.offer(ctx, rate, b.duration))
	return row, ctx.Err()
}

func attempts(nodes []*node) (sum int64) {
	for _, n := range nodes {
		sum += n.asked.Load()
	}
	return sum
}
