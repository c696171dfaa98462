//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// way is one of the ways to ask for iris.
type way struct {
	name  string
	model string
	hop   bool
	seen  []result
	bare  []bareResult
}

// measureCost holds what a small request costs the node against what its run costs alone: over HTTP and over the hop, with
// requests that run one by one and with those that run together.
func (b *bench) measureCost(ctx context.Context) error {
	ways := []*way{
		{name: "HTTP, run alone", model: irisAlone},
		{name: "HTTP, run together", model: irisBatched},
		{name: "hop, run alone", model: irisAlone, hop: true},
		{name: "hop, run together", model: irisBatched, hop: true},
	}
	for range b.rounds {
		for _, w := range ways {
			if err := b.askIris(ctx, w); err != nil {
				return err
			}
		}
	}
	for _, w := range ways {
		b.reportCost(w)
	}
	b.reportGain("HTTP", ways[0], ways[1])
	b.reportGain("hop", ways[2], ways[3])
	return nil
}

// askIris measures one way once, and a bare loop of runs of the same size.
func (b *bench) askIris(ctx context.Context, w *way) error {
	load := func(most int, d time.Duration) (result, error) {
		if w.hop {
			return b.loadHop(ctx, w.model, irisShape, most, d)
		}
		return b.load(ctx, w.model, question(w.model, irisShape, false), most, d)
	}
	if _, err := load(20*b.clients, 0); err != nil { // memory, and what is lazy
		return err
	}
	r, err := load(0, b.duration)
	if err != nil {
		return err
	}
	bare, err := b.bare.measure(irisShape, r.size(), b.duration/4)
	w.seen, w.bare = append(w.seen, r), append(w.bare, bare)
	return err
}

// size is how many rows a run had.
func (r *result) size() int { return max(int(math.Round(r.rows)), 1) }

// reportGain reports what batches bring to iris.
func (b *bench) reportGain(over string, alone, together *way) {
	one, many := median(alone.seen, byRate), median(together.seen, byRate)
	bareOne, bareMany := median(alone.bare, bareCPU), median(together.bare, bareCPU)
	size := float64(many.size())
	b.report.add(row{
		name: "iris, " + over + ": answers a second together, times alone", value: many.rate / one.rate, format: "%.2f", goal: 5, atLeast: true,
		note: fmt.Sprintf("%.0f and %.0f; %.2f by the node's CPU time; bare loops gain %.1f at %.0f rows", many.rate, one.rate,
			median(alone.seen, byCPU).cpu.Seconds()/median(together.seen, byCPU).cpu.Seconds(), bareOne.cpu.Seconds()*size/bareMany.cpu.Seconds(), size),
	})
}

// reportCost reports what is left of a request's CPU time without its share of a run.
func (b *bench) reportCost(w *way) {
	r, bare := median(w.seen, byCPU), median(w.bare, bareCPU)
	share := bare.cpu.Seconds() / float64(r.size())
	b.report.add(row{
		name: "iris, " + w.name + ": CPU µs a request beyond its run", value: 1e6 * (r.cpu.Seconds() - share), format: "%.1f", goal: 25,
		note: fmt.Sprintf("%.1f in all, of which %.1f a share of a run of %d rows; %.0f answers a second", 1e6*r.cpu.Seconds(), 1e6*share, r.size(), r.rate),
	})
}

func byCPU(r result) float64       { return float64(r.cpu) }
func byRate(r result) float64      { return r.rate }
func bareCPU(r bareResult) float64 { return float64(r.cpu) }

// median is the result in the middle, in the order of by.
func median[R any](results []R, by func(R) float64) R {
	sorted := slices.SortedFunc(slices.Values(results), func(a, b R) int {
		switch {
		case by(a) < by(b):
			return -1
		case by(a) > by(b):
			return 1
		}
		return 0
	})
	return sorted[len(sorted)/2]
}
