//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ganglion/internal/oip"
)

// question is one request for one row, byte by byte. timed has its answer say what became of it.
func question(model string, s shape, timed bool) []byte {
	var data []byte
	for range s.columns {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(0.5))
	}
	body, header, err := oip.AppendInferRequest(nil, &oip.InferRequest{
		Inputs: []oip.Tensor{{Name: s.input, Datatype: oip.FP32, Shape: []int64{1, s.columns}, Data: data}}, BinaryInputs: true, BinaryDefault: true,
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
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
func (b *bench) load(ctx context.Context, model string, asked []byte, answers int, d time.Duration) (result, error) {
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
	l := &load{ctx: ctx, address: b.node.address, question: asked, most: int64(answers)}
	began := time.Now()
	if err := l.run(b.clients); err != nil {
		return result{}, err
	}
	took := time.Since(began)
	usedAfter, err := b.node.cpuTime()
	if err != nil {
		return result{}, err
	}
	rowsAfter, runsAfter, err := b.node.counts(model)
	slices.Sort(l.queue)
	slices.Sort(l.infer)
	n := len(l.queue)
	return result{
		answers: n, rate: float64(n) / took.Seconds(), rows: (rowsAfter - rows) / max(runsAfter-runs, 1),
		cpu: (usedAfter - used) / time.Duration(max(n, 1)), queue: l.queue, infer: l.infer,
	}, err
}

// load is what the clients of one measurement share.
type load struct {
	ctx      context.Context
	address  string
	question []byte
	most     int64 // 0: no bound
	given    atomic.Int64

	mu           sync.Mutex
	queue, infer []time.Duration
}

// run has n clients ask, each over a connection of its own.
func (l *load) run(n int) error {
	errs := make(chan error, n)
	for range n {
		go func() { errs <- l.client() }()
	}
	var all error
	for range n {
		all = errors.Join(all, <-errs)
	}
	return all
}

// client asks one question after the other.
func (l *load) client() error {
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	var queue, infer []time.Duration
	for l.ctx.Err() == nil && (l.most == 0 || l.given.Add(1) <= l.most) {
		if _, err := conn.Write(l.question); err != nil {
			return err
		}
		timing, err := readAnswer(in)
		if err != nil {
			return err
		}
		queue, infer = append(queue, timing.queue), append(infer, timing.infer)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue, l.infer = append(l.queue, queue...), append(l.infer, infer...)
	return nil
}

// timing is what an answer says of itself.
type timing struct{ queue, infer time.Duration }

// readAnswer reads one answer of status 200 and forgets its body. A client that does more would be what is measured.
func readAnswer(in *bufio.Reader) (t timing, err error) {
	status, err := in.ReadSlice('\n')
	if err != nil {
		return t, err
	}
	good := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	refusal := string(bytes.TrimSpace(status[:min(len(status), 64)]))
	length := -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return t, err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		} else if value, ok := bytes.CutPrefix(line, []byte("Server-Timing: ")); ok {
			t.queue, err = duration(value, "queue;dur=")
			if err == nil {
				t.infer, err = duration(value, "infer;dur=")
			}
		}
		if err != nil {
			return t, err
		}
	}
	if length < 0 {
		return t, errors.New("an answer without a length")
	}
	if !good {
		body, _ := in.Peek(min(length, in.Size()))
		return t, fmt.Errorf("%s: %s", refusal, body)
	}
	_, err = io.CopyN(io.Discard, in, int64(length))
	return t, err
}

// duration finds milliseconds in a Server-Timing header.
func duration(header []byte, name string) (time.Duration, error) {
	_, rest, found := bytes.Cut(header, []byte(name))
	number, _, _ := bytes.Cut(rest, []byte(","))
	ms, err := strconv.ParseFloat(string(number), 64)
	if err != nil || !found {
		return 0, fmt.Errorf("no %s in %q", name, header)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}

// quantile of sorted values.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
