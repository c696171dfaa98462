//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// measureCost holds what a small request costs the node against what its run costs alone, with requests that run one by one
// and with those that run together.
func (b *bench) measureCost(ctx context.Context) error {
	var alone, batched []result
	var bareAlone, bareBatched []bareResult
	for range b.rounds {
		for _, c := range []struct {
			model string
			seen  *[]result
			bare  *[]bareResult
		}{{irisAlone, &alone, &bareAlone}, {irisBatched, &batched, &bareBatched}} {
			asked := question(c.model, irisShape, false)
			if _, err := b.load(ctx, c.model, asked, 20*b.clients, 0); err != nil { // connections, memory, what is lazy
				return err
			}
			r, err := b.load(ctx, c.model, asked, 0, b.duration)
			if err != nil {
				return err
			}
			bare, err := b.bare.measure(irisShape, max(int(math.Round(r.rows)), 1), b.duration/4)
			if err != nil {
				return err
			}
			*c.seen, *c.bare = append(*c.seen, r), append(*c.bare, bare)
		}
	}
	one, many := median(alone, byCPU), median(batched, byCPU)
	bareOne, bareMany := median(bareAlone, bareCPU), median(bareBatched, bareCPU)
	b.cost("run alone", one, bareOne)
	b.cost("run together", many, bareMany)
	rateAlone, rateBatched := median(alone, byRate), median(batched, byRate)
	b.report.add(row{
		name: "iris: answers a second with batching, times those without", value: rateBatched.rate / rateAlone.rate, format: "%.2f",
		goal: 5, atLeast: true,
		note: fmt.Sprintf("%.0f against %.0f; the request around the run is most of both", rateBatched.rate, rateAlone.rate),
	})
	b.report.add(row{
		name: "iris: rows a second of bare loops, together times alone", value: float64(bareOne.cpu) * max(math.Round(many.rows), 1) / float64(bareMany.cpu), format: "%.1f",
		note: fmt.Sprintf("what there is to gain in the runs themselves, at %.0f rows", many.rows),
	})
	return nil
}

// cost reports what is left of a request's CPU time without its share of a run.
func (b *bench) cost(how string, r result, bare bareResult) {
	rows := max(math.Round(r.rows), 1)
	share := bare.cpu.Seconds() / rows
	b.report.add(row{
		name: "iris, " + how + ": CPU µs a request beyond its run", value: 1e6 * (r.cpu.Seconds() - share), format: "%.1f", goal: 25,
		note: fmt.Sprintf("%.1f in all, of which %.1f a share of a run of %.0f rows; %.0f answers a second", 1e6*r.cpu.Seconds(), 1e6*share, rows, r.rate),
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
