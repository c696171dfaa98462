package loadgen

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ganglion/internal/oip"
)

// Config says what to ask, and how.
type Config struct {
	Target         string // http://HOST:PORT, https://HOST:PORT or grpc://HOST:PORT; a path before /v2 is kept
	Model, Version string // Version "" is what the server takes then

	Clients  int           // closed loop: how many ask at a time; open loop: how many may be waiting at a time
	Rate     float64       // open loop: questions a second; 0 is a closed loop
	Warmup   time.Duration // asked before, and not counted
	Duration time.Duration
	Timeout  time.Duration // of one question

	Questions int                // how many different ones; a cache in between sees that many
	Batch     int64              // rows of each question, where the model's first dimension is variable
	Shapes    map[string][]int64 // of inputs with variable dimensions
	Binary    bool               // HTTP: tensors as binary data rather than JSON

	Progress func(Progress) // called about once a second; nil = nobody looks

	// Check looks at the body of the answer to a question, over HTTP only; an error makes a failure of it. The body is its own
	// until it returns. nil = an answer with a good status is a good answer.
	Check func(question int, body []byte) error
	// Observe hears what became of each question, those of the warm-up left out. nil = nobody listens.
	Observe func(Seen)
}

// Seen is what became of one question. Both hooks are called by many goroutines at a time.
type Seen struct {
	Due  time.Time     // from when its latency counts
	Took time.Duration // until its answer or its failure
	Err  error         // nil = it was answered; a *StatusError when the answer said that it failed
}

// Progress is how far a run has come.
type Progress struct {
	WarmingUp       bool
	Elapsed, Of     time.Duration
	Answers, Errors uint64
	Rate            float64       // answers a second, since the last progress
	P50, P99        time.Duration // since the beginning
}

// traceEvery is how seldom a question asks where its time went: seldom enough to not be part of what is measured.
const traceEvery = 64

// Run asks questions until the time is up or ctx ends, which is an error.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	t, err := open(&cfg)
	if err != nil {
		return nil, err
	}
	defer t.close()
	meta, err := t.metadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the model's metadata: %w", err)
	}
	all, err := questions(meta, cfg.Questions, cfg.Batch, cfg.Shapes)
	if err != nil {
		return nil, err
	}
	if err := t.prepare(all); err != nil {
		return nil, err
	}
	if cfg.Warmup > 0 {
		warm := newRun(&cfg, t, cfg.Warmup)
		if warm.do(ctx, true); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	before, cpu := t.statistics(ctx), cpuTime()
	r := newRun(&cfg, t, cfg.Duration)
	r.observe = cfg.Observe
	r.do(ctx, false)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	used := cpuTime() - cpu
	return r.result(meta, bytesOf(all), difference(before, t.statistics(ctx)), used), nil
}

func (c *Config) check() error {
	switch {
	case c.Model == "":
		return errors.New("no model to ask")
	case c.Clients < 1 || c.Clients > 10000:
		return fmt.Errorf("%d clients: want 1 to 10000", c.Clients)
	case c.Rate < 0 || c.Rate > 1e6:
		return fmt.Errorf("%g questions a second: want 0 (a closed loop) to 1000000", c.Rate)
	case c.Duration <= 0 || c.Warmup < 0 || c.Timeout <= 0:
		return fmt.Errorf("duration %s, warm-up %s, timeout %s: want more than 0, and no less for the warm-up", c.Duration, c.Warmup, c.Timeout)
	case c.Questions < 1 || c.Questions > 100000:
		return fmt.Errorf("%d different questions: want 1 to 100000", c.Questions)
	case c.Batch < 1:
		return fmt.Errorf("a batch of %d rows: want 1 or more", c.Batch)
	case c.Check != nil && strings.HasPrefix(c.Target, "grpc:"):
		return errors.New("answers are checked over HTTP only")
	}
	return nil
}

func bytesOf(all []oip.InferRequest) int {
	n := 0
	for _, t := range all[0].Inputs {
		n += len(t.Data)
	}
	return n
}

// run is one stretch of asking.
type run struct {
	cfg    *Config
	target target
	length time.Duration

	observe func(Seen) // nil = nobody listens

	began   time.Time
	next    atomic.Int64 // number of the next question
	clients []*client
	took    time.Duration // until the last answer
}

// client is one of those who ask. Its counts are its own until it has ended, but for those that progress shows.
type client struct {
	mu        sync.Mutex // guards what follows against progress; nobody else contends
	latencies histogram
	errors    map[string]uint64
	failed    uint64
	cached    uint64
	late      uint64 // questions that were due while all clients waited for answers
	traces    []trace
}

func newRun(cfg *Config, t target, length time.Duration) *run {
	r := &run{cfg: cfg, target: t, length: length}
	for range cfg.Clients {
		r.clients = append(r.clients, &client{errors: map[string]uint64{}})
	}
	return r
}

// do asks for r.length.
func (r *run) do(ctx context.Context, warmingUp bool) {
	ctx, cancel := context.WithTimeout(ctx, r.length)
	defer cancel()
	r.began = time.Now()
	var all sync.WaitGroup
	for i, c := range r.clients {
		all.Go(func() { r.ask(ctx, i, c) })
	}
	ended := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() { r.watch(ended, warmingUp) })
	all.Wait()
	r.took = time.Since(r.began)
	close(ended)
	watcher.Wait()
}

// ask is what one client does until ctx ends.
func (r *run) ask(ctx context.Context, number int, c *client) {
	for ctx.Err() == nil {
		i := r.next.Add(1) - 1
		due, late, ok := r.await(ctx, i)
		if !ok {
			return
		}
		answer := r.target.ask(number, int(i)%r.cfg.Questions, i%traceEvery == 0)
		took := time.Since(due)
		c.count(answer, took, late)
		if r.observe != nil {
			r.observe(Seen{Due: due, Took: took, Err: answer.err})
		}
	}
}

// await waits until question i is due and returns the moment that its latency counts from. In a closed loop that is now. In
// an open loop a client that was free in time starts when the clock has woken it, since the delay of that is not the
// server's; one that was not free in time counts from when the question was due.
func (r *run) await(ctx context.Context, i int64) (due time.Time, late, ok bool) {
	now := time.Now()
	if r.cfg.Rate == 0 {
		return now, false, true
	}
	due = r.began.Add(time.Duration(float64(i) / r.cfg.Rate * float64(time.Second)))
	if due.Sub(r.began) >= r.length {
		return due, false, false
	}
	if !due.After(now) {
		return due, due.Before(now), true
	}
	timer := time.NewTimer(due.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Now(), false, true
	case <-ctx.Done():
		return due, false, false
	}
}

// manyErrors bounds how many kinds of errors are told apart.
const manyErrors = 20

func (c *client) count(answer reply, took time.Duration, late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if late {
		c.late++
	}
	if answer.err != nil {
		c.failed++
		text := answer.err.Error()
		if _, known := c.errors[text]; !known && len(c.errors) >= manyErrors {
			text = "others"
		}
		c.errors[text]++
		return
	}
	c.latencies.add(took)
	if answer.cached {
		c.cached++
	}
	if answer.trace != nil {
		c.traces = append(c.traces, *answer.trace)
	}
}

// watch reports progress until the run has ended.
func (r *run) watch(ended <-chan struct{}, warmingUp bool) {
	if r.cfg.Progress == nil {
		<-ended
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last uint64
	lastAt := r.began
	for {
		select {
		case <-ended:
			return
		case now := <-tick.C:
			var sum histogram
			var failed uint64
			for _, c := range r.clients {
				c.mu.Lock()
				sum.merge(&c.latencies)
				failed += c.failed
				c.mu.Unlock()
			}
			r.cfg.Progress(Progress{
				WarmingUp: warmingUp, Elapsed: now.Sub(r.began), Of: r.length, Answers: sum.total, Errors: failed,
				Rate: float64(sum.total-last) / now.Sub(lastAt).Seconds(), P50: sum.quantile(0.5), P99: sum.quantile(0.99),
			})
			last, lastAt = sum.total, now
		}
	}
}
