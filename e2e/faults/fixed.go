//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"ganglion/internal/hop"
	"ganglion/internal/stack"
)

// fixed is a node that takes a fixed time for each inference, one at a time in the order in which they come, and no processor:
// eight of them on a machine of two cores are eight nodes.
type fixed struct {
	takes   atomic.Int64 // nanoseconds
	turn    chan struct{}
	waiting atomic.Int64 // the one that runs included
}

func newFixed(takes time.Duration) *fixed {
	f := &fixed{turn: make(chan struct{}, 1)}
	f.takes.Store(int64(takes))
	return f
}

// What a fixed node answers.
const (
	fixedAnswer   = `{"model_name":"busy","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,1],"data":[1]}]}`
	fixedMetadata = `{"name":"busy","versions":["1"],"platform":"none","inputs":[{"name":"x","datatype":"FP32","shape":[1,16]}],` +
		`"outputs":[{"name":"y","datatype":"FP32","shape":[1,1]}]}`
)

func (f *fixed) answer(ctx context.Context, q *question) reply {
	r := reply{status: http.StatusOK, contentType: "application/json", body: []byte(`{"ready":true}`)}
	switch {
	case q.infers():
		f.waiting.Add(1)
		err := f.run(ctx)
		left := f.waiting.Add(-1)
		if err != nil {
			return reply{status: http.StatusServiceUnavailable}
		}
		r.body, r.load = []byte(fixedAnswer), f.load(left)
	case strings.HasSuffix(q.path, "/models/"+model):
		r.body = []byte(fixedMetadata)
	case strings.HasSuffix(q.path, "/stats"):
		r.status, r.body = http.StatusNotFound, []byte(`{"error":"no statistics"}`)
	}
	return r
}

// run takes its turn, and its time. Who leaves, leaves at once.
func (f *fixed) run(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-f.turn }()
	return pause(ctx, time.Duration(f.takes.Load()))
}

// load is what the node says of itself: so many wait.
func (f *fixed) load(waiting int64) string {
	l := hop.Load{Known: true, Queued: uint32(max(waiting-1, 0)), InFlight: uint32(min(waiting, 1)), Wait: time.Duration(waiting * f.takes.Load())}
	return string(hop.AppendLoad(nil, l, l))
}

// The test of one slow node among eight: all together can do 833 requests a second, of which 500 are 60 %.
const (
	eight      = 8
	eightTakes = 9600 * time.Microsecond
	eightRate  = 500
	slower     = 10
)

// The goals of that test.
const (
	outWithin     = 2 * time.Second
	settledWithin = 5 * time.Second
)

// slowOf8 lets one of eight nodes become ten times as slow.
func (t *trial) slowOf8(ctx context.Context) (err error) {
	if !t.options.wants("slowof8") {
		return nil
	}
	b, all, err := t.eightNodes(ctx)
	defer func() { err = errors.Join(err, b.close()) }()
	if err != nil {
		return err
	}
	cfg := t.load(b.stack.GatewayURL())
	cfg.Rate = eightRate
	cfg.Check = func(_ int, body []byte) error {
		if string(body) != fixedAnswer {
			return errors.New("200, but a wrong answer")
		}
		return nil
	}
	f := &fault{none: false, strike: func(ctx context.Context, _ *bed, d time.Duration) error {
		all[0].takes.Store(int64(slower * eightTakes))
		defer all[0].takes.Store(int64(eightTakes))
		return pause(ctx, 2*d)
	}}
	w, err := watch(ctx, cfg, b.stack.AdminURL())
	if err != nil {
		return err
	}
	m, struck := t.strike(ctx, f, b, w.began)
	seen, err := w.stop(ctx, b.stack.AdminURL())
	if err := errors.Join(struck, err); err != nil {
		return err
	}
	s := &slowOf8{figures: *compute(seen, m, b.addresses[0], 0)}
	s.Goals = []goal{
		{"no failure", fmt.Sprint(s.Failed), s.Failed == 0},
		{"out within " + outWithin.String(), seconds(s.Noticed), s.Noticed != nil && *s.Noticed <= outWithin},
		{"p99 within a quarter of before in " + settledWithin.String(), seconds(s.Settled), s.Settled != nil && *s.Settled <= settledWithin},
	}
	t.report.Slow = s
	t.say("%-10s       %s", "slowof8", s.line())
	return nil
}

// slowOf8 is that test's result.
type slowOf8 struct {
	figures
	Goals []goal `json:"goals"`
}

func (s *slowOf8) line() string {
	r := row{figures: s.figures, Goals: s.Goals}
	return r.line()
}

// eightNodes starts a gateway with eight fixed nodes. The stack has one real node besides, which the gateway does not know.
func (t *trial) eightNodes(ctx context.Context) (*bed, []*fixed, error) {
	b := &bed{trial: t}
	var all []*fixed
	free, err := stack.FreeAddresses(eight)
	if err != nil {
		return b, nil, err
	}
	for _, address := range free {
		f := newFixed(eightTakes)
		s, err := serve(address, f, false, 0)
		if err != nil {
			return b, nil, err
		}
		b.servers, b.addresses, all = append(b.servers, s), append(b.addresses, address), append(all, f)
	}
	if err := b.start(ctx, 1, nil, nil, carriers[0]); err != nil {
		return b, nil, err
	}
	return b, all, nil
}
