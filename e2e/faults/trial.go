//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"ganglion/internal/loadgen"
	"ganglion/internal/stack"
)

// trial is one run of the program.
type trial struct {
	options  *options
	dir      string
	progress io.Writer
	log      io.Writer // of all processes; nil = nobody reads it
	report   *report

	wall   *wall // nil = packets cannot be dropped, for the reason in noWall
	noWall error
	rate   float64
	right  map[int][]byte // answer to each question
}

// share is the part of what the nodes can do that is asked of them.
const share = 0.6

// stretches are how long a fault is watched.
type stretches struct{ before, during, outage, after time.Duration }

func (o *options) stretches() stretches {
	if o.quick {
		return stretches{time.Second, 3 * time.Second, 2 * time.Second, 2 * time.Second}
	}
	return stretches{2 * time.Second, 4 * time.Second, 10 * time.Second, 4 * time.Second}
}

func (t *trial) repository() string { return filepath.Join(t.dir, "models") }

func (t *trial) say(format string, args ...any) { fmt.Fprintf(t.progress, format+"\n", args...) }

// all runs what the flags ask for.
func (t *trial) all(ctx context.Context) error {
	if os.Getenv(isolationVar) == "yes" {
		if err := raiseLoopback(); err != nil {
			return fmt.Errorf("cannot raise the loopback of the namespace: %w", err)
		}
	}
	if t.wall, t.noWall = newWall(ctx); t.noWall != nil {
		t.say("packets cannot be dropped: %v", t.noWall)
	}
	if err := writeRepository(t.repository()); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{t.faults, t.slowOf8, t.references} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// job is one fault over one carrier.
type job struct {
	fault   fault
	carrier string
}

// jobs are those that are asked for.
func (o *options) jobs() []job {
	var all []job
	for _, carrier := range carriers {
		for _, f := range faults() {
			// What answers in the victim's name speaks HTTP, and DNS is the same to all.
			impossible := f.via == fronted && carrier == "grpc" || f.dns && carrier != carriers[0]
			if o.wants(f.name) && o.over(&f, carrier) && !impossible {
				all = append(all, job{f, carrier})
			}
		}
	}
	return all
}

// faults runs every fault that is asked for.
func (t *trial) faults(ctx context.Context) error {
	all := t.options.jobs()
	for i, j := range all {
		if j.fault.loss && t.wall == nil {
			t.report.Skipped = append(t.report.Skipped, skipped{j.fault.name, j.carrier, t.noWall.Error()})
			continue
		}
		if err := t.calibrate(ctx); err != nil {
			return err
		}
		row, err := t.fault(ctx, &j.fault, j.carrier)
		if err != nil {
			return fmt.Errorf("%s over %s: %w", j.fault.name, j.carrier, err)
		}
		t.report.Rows = append(t.report.Rows, *row)
		t.say("%2d/%d %-10s %-4s  %s", i+1, len(all), j.fault.name, j.carrier, row.line())
	}
	return nil
}

// over reports whether a fault is to be run over a carrier.
func (o *options) over(f *fault, carrier string) bool {
	if len(o.carrier) > 0 {
		return slices.Contains(o.carrier, carrier)
	}
	return carrier == carriers[0] || f.main && !o.quick
}

// calibrate learns the right answers, and the rate, unless it has.
func (t *trial) calibrate(ctx context.Context) error {
	if t.rate > 0 {
		return nil
	}
	b, err := t.newBed(ctx, &fault{}, carriers[0])
	if err != nil {
		return err
	}
	err = t.learn(ctx, b.stack.Nodes()[1], model)
	if err == nil {
		err = t.settleRate(ctx, b.stack.GatewayURL())
	}
	return errors.Join(err, b.close())
}

// settleRate takes the rate that was asked for, or measures what the nodes can do.
func (t *trial) settleRate(ctx context.Context, url string) error {
	if t.rate = t.options.rate; t.rate == 0 {
		cfg := t.load(url)
		cfg.Rate, cfg.Clients, cfg.Duration = 0, 16, 3*time.Second
		r, err := loadgen.Run(ctx, cfg)
		if err != nil {
			return err
		}
		if r.Failed > 0 {
			return fmt.Errorf("%d of %d requests failed without any fault: %v", r.Failed, r.Failed+r.Answers, r.Errors)
		}
		t.report.Capacity, t.rate = r.Rate, share*r.Rate
		t.say("the nodes can do %.0f requests/s; the load is %.0f/s", r.Rate, t.rate)
	}
	t.report.Rate = t.rate
	return nil
}

// questions is how many different ones are asked.
const questions = 16

// load is an open loop of requests.
func (t *trial) load(url string) loadgen.Config {
	return loadgen.Config{
		Target: url, Model: model, Rate: t.rate, Questions: questions, Batch: 1,
		Clients: 2000, // that may be waiting: at the rate here, those of a second or two
		Timeout: 10 * time.Second, Warmup: warmup, Duration: time.Hour, Check: t.check,
	}
}

// check wants the right answer: one that was mixed up or broken on its way is a failure, whatever its status.
func (t *trial) check(question int, body []byte) error {
	if !bytes.Equal(body, t.right[question]) {
		return errors.New("200, but a wrong answer")
	}
	return nil
}

// learn asks a node itself for the right answers.
func (t *trial) learn(ctx context.Context, node *stack.Process, model string) error {
	cfg := t.load("http://" + node.Address())
	cfg.Model = model
	cfg.Rate, cfg.Clients, cfg.Duration, cfg.Warmup = 0, 1, 200*time.Millisecond, 0
	right := map[int][]byte{}
	var mu sync.Mutex
	cfg.Check = func(question int, body []byte) error {
		mu.Lock()
		defer mu.Unlock()
		right[question] = bytes.Clone(body)
		return nil
	}
	_, err := loadgen.Run(ctx, cfg)
	if err == nil && len(right) < questions {
		err = fmt.Errorf("a node answered %d of %d questions", len(right), questions)
	}
	t.right = right
	return err
}

// fault measures one.
func (t *trial) fault(ctx context.Context, f *fault, carrier string) (r *row, err error) {
	b, err := t.newBed(ctx, f, carrier)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	w, err := watch(ctx, t.load(b.stack.GatewayURL()), b.stack.AdminURL())
	if err != nil {
		return nil, err
	}
	m, struck := t.strike(ctx, f, b, w.began)
	seen, err := w.stop(ctx, b.stack.AdminURL())
	if err := errors.Join(struck, err); err != nil {
		return nil, err
	}
	victim := b.addresses[0]
	if f.none {
		victim = ""
	}
	r = &row{Name: f.name, What: f.what, Carrier: carrier, figures: *compute(seen, m, victim, settledSlack)}
	r.Goals = goalsOf(f, &r.figures)
	return r, nil
}

// strike waits, breaks, heals and waits again.
func (t *trial) strike(ctx context.Context, f *fault, b *bed, began time.Time) (m moments, err error) {
	s := t.options.stretches()
	if err := pause(ctx, s.before); err != nil {
		return m, err
	}
	during := s.during
	if f.all {
		during = s.outage
	}
	m.broke = time.Since(began)
	err = f.strike(ctx, b, during)
	b.heal()
	m.healed = b.healed.Sub(began)
	return m, errors.Join(err, pause(ctx, s.after))
}
