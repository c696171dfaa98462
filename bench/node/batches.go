//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// measureBatches holds the node's throughput of a large model, asked for row by row, against bare loops of batches.
func (b *bench) measureBatches(ctx context.Context) error {
	best, err := b.bestBatch()
	if err != nil {
		return err
	}
	// Long enough for some tens of batches.
	d := max(b.duration, time.Duration(30*float64(time.Second)*wideBatch/best.rate))
	if b.quick {
		d = b.duration
	}
	var seen []result
	var bare []bareResult
	asked := question(wide, wideShape, true)
	for range b.rounds {
		if _, err := b.load(ctx, wide, asked, 2*b.clients, 0); err != nil {
			return err
		}
		r, err := b.load(ctx, wide, asked, 0, d)
		if err != nil {
			return err
		}
		loop, err := b.bare.measure(wideShape, best.size, d/2)
		if err != nil {
			return err
		}
		seen, bare = append(seen, r), append(bare, loop)
	}
	// The best rounds of both: whoever else uses the cores makes all others slower.
	r := slices.MaxFunc(seen, func(a, b result) int { return cmp.Compare(a.rate, b.rate) })
	loop := slices.MaxFunc(bare, func(a, b bareResult) int { return cmp.Compare(a.rate, b.rate) })
	byCPUTime := median(bare, bareCPU).cpu.Seconds() / float64(best.size) / median(seen, byCPU).cpu.Seconds()
	b.report.add(row{
		name: "large model: rows a second, of those of bare loops at their best size", value: r.rate / loop.rate, format: "%.3f", goal: 0.95, atLeast: true,
		note: fmt.Sprintf("%.0f in runs of %.0f, against %.0f in runs of %d, %.0f ms each; %.3f by CPU time", r.rate, r.rows, loop.rate, best.size, ms(best.run), byCPUTime),
	})
	wait, batch := quantile(r.queue, 0.99), quantile(r.infer, 0.99)
	b.report.add(row{
		name: "large model: p99 in the queue, of delay and one batch", value: wait.Seconds() / (wideDelay + batch).Seconds(), format: "%.2f", goal: 1,
		note: fmt.Sprintf("%.0f ms; delay %v, p99 of a batch %.0f ms", ms(wait), wideDelay, ms(batch)),
	})
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// bareSize is what bare loops do at one batch size.
type bareSize struct {
	bareResult
	size int
}

// bestBatch finds the batch size at which bare loops make the most rows a second.
func (b *bench) bestBatch() (best bareSize, err error) {
	for size := 1; size <= wideBatch; size *= 2 {
		r, err := b.bare.measure(wideShape, size, b.duration/2)
		if err != nil {
			return best, err
		}
		b.report.say("bare loops, %d rows a run: %.0f rows a second", size, r.rate)
		if r.rate > best.rate {
			best = bareSize{r, size}
		}
	}
	return best, nil
}
