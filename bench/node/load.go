//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"ganglion/internal/oip"
)

// tensor is one row.
func tensor(s shape) oip.Tensor {
	var data []byte
	for range s.columns {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(0.5))
	}
	return oip.Tensor{Name: s.input, Datatype: oip.FP32, Shape: []int64{1, s.columns}, Data: data}
}

// encode makes the body of a request for one row.
func encode(s shape) (body []byte, header int) {
	body, header, err := oip.AppendInferRequest(nil, &oip.InferRequest{
		Inputs: []oip.Tensor{tensor(s)}, BinaryInputs: true, BinaryDefault: true,
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return body, header
}

// question is one request for one row, byte by byte. timed has its answer say what became of it.
func question(model string, s shape, timed bool) []byte {
	body, header := encode(s)
	head := fmt.Appendf(nil, "POST /v2/models/%s/infer HTTP/1.1\r\nHost: node\r\n%s: %d\r\nContent-Length: %d\r\n", model, oip.HeaderLengthName, header, len(body))
	if timed {
		head = append(head, "X-Ganglion-Timing: 1\r\n"...)
	}
	return append(append(head, "\r\n"...), body...)
}

// result is one measurement of the node.
type result struct {
	answers int
	rate    float64         // answers a second
	rows    float64         // in a run, on average
	cpu     time.Duration   // of the node, for each answer
	queue   []time.Duration // of each answer, sorted
	infer   []time.Duration // of each answer's batch, sorted
}

// load has all clients ask the same question again and again, until answers have come back or d is over; 0 sets no bound.
func (b *bench) load(ctx context.Context, model string, asked []byte, most int, d time.Duration) (result, error) {
	return b.watch(ctx, model, d, func(ctx context.Context) (answers, error) {
		return ask(ctx, b.node.address, asked, b.clients, most, b.cores.clients)
	})
}

// loadHop does the same over a hop.
func (b *bench) loadHop(ctx context.Context, model string, s shape, most int, d time.Duration) (result, error) {
	return b.watch(ctx, model, d, func(ctx context.Context) (answers, error) {
		return askHop(ctx, b.node.address, model, s, b.clients, most)
	})
}

// watch looks at what the node does while it is asked.
func (b *bench) watch(ctx context.Context, model string, d time.Duration, ask func(context.Context) (answers, error)) (result, error) {
	rows, runs, err := b.node.counts(model)
	if err != nil {
		return result{}, err
	}
	used, err := b.node.cpuTime()
	if err != nil {
		return result{}, err
	}
	if d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	began := time.Now()
	seen, err := ask(ctx)
	if err != nil {
		return result{}, err
	}
	took := time.Since(began)
	usedAfter, err := b.node.cpuTime()
	if err != nil {
		return result{}, err
	}
	rowsAfter, runsAfter, err := b.node.counts(model)
	slices.Sort(seen.queue)
	slices.Sort(seen.infer)
	n := seen.answers
	return result{
		answers: n, rate: float64(n) / took.Seconds(), rows: (rowsAfter - rows) / max(runsAfter-runs, 1),
		cpu: (usedAfter - used) / time.Duration(max(n, 1)), queue: seen.queue, infer: seen.infer,
	}, err
}

// quantile of sorted values.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
