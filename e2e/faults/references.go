//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"ganglion/bench/harness"
	"ganglion/internal/oip"
	"ganglion/internal/stack"
)

// The test that other systems are known from: one of three nodes dies and comes back, another freezes, at 500 requests a
// second for 30 s.
const (
	referenceRate = 500
	diesAt        = 5 * time.Second
	returnsAt     = 10 * time.Second
	freezesAt     = 16 * time.Second
	thawsAt       = 20 * time.Second
	referenceEnd  = 30 * time.Second
)

// The goals of that test.
const (
	referenceSlowest = 500 * time.Millisecond
	referenceExtra   = 0.05
)

// reference is one system in these tests.
type reference struct {
	System string `json:"system"`
	figures
	P99   time.Duration `json:"p99"` // of all answers
	Stale stale         `json:"stale"`
	Goals []goal        `json:"goals,omitempty"`
}

// names are those of all faults and tests.
func names() []string {
	var all []string
	for _, f := range faults() {
		all = append(all, f.name)
	}
	return append(all, "slowof8", "reference")
}

// references runs the test with every system there is.
func (t *trial) references(ctx context.Context) error {
	if !t.options.wants("reference") {
		return nil
	}
	for _, s := range systems() {
		if s.template != "" {
			if _, err := harness.FindProgram(s.name, setup); err != nil {
				t.report.Skipped = append(t.report.Skipped, skipped{"reference", s.title, err.Error()})
				continue
			}
		}
		r, err := t.reference(ctx, &s)
		if err != nil {
			return fmt.Errorf("reference, %s: %w", s.title, err)
		}
		if r.Stale, err = t.staleRace(ctx, &s); err != nil {
			return fmt.Errorf("stale connections, %s: %w", s.title, err)
		}
		if s.ours {
			r.Goals = r.judge()
		}
		t.report.References = append(t.report.References, *r)
		t.say("reference  %s: %d requests, %d lost; p99 %s, slowest %s ms; %s extra; stale connections: %d of %d failed %v %v",
			s.title, r.Requests, r.Failed, ms(r.P99), ms(r.Slowest), percent(r.Extra), r.Stale.Failed, r.Stale.Requests, r.Errors, r.Stale.Errors)
	}
	return nil
}

func (r *reference) judge() []goal {
	return []goal{
		{"no request lost", fmt.Sprint(r.Failed), r.Failed == 0},
		{"slowest under " + referenceSlowest.String(), ms(r.Slowest) + " ms", r.Slowest < referenceSlowest},
		{"at most 5 % extra load", percent(r.Extra), r.Extra <= referenceExtra},
		{"no request lost to a stale connection", fmt.Sprint(r.Stale.Failed), r.Stale.Failed == 0},
	}
}

// reference measures one system.
func (t *trial) reference(ctx context.Context, s *system) (r *reference, err error) {
	st, err := stack.Start(ctx, stack.Config{BinDir: t.options.bin, Models: t.repository(), Nodes: nodes, Out: t.log, GatewayConfig: referenceConfig(s.extra)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Stop()) }()
	if err := t.learn(ctx, st.Nodes()[0], light); err != nil {
		return nil, err
	}
	url := st.GatewayURL()
	if !s.ours {
		var addresses []string
		for _, n := range st.Nodes() {
			addresses = append(addresses, n.Address())
		}
		e, err := t.startOther(ctx, s, addresses)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, e.stop()) }()
		url = e.url
	}
	cfg := t.load(url)
	cfg.Model, cfg.Rate = light, referenceRate
	w, err := watch(ctx, cfg, "")
	if err != nil {
		return nil, err
	}
	c := countAt(ctx, st.Nodes())
	struck := t.script(ctx, st, w.began)
	seen, err := w.stop(ctx, "")
	served := c.stop(ctx)
	if err := errors.Join(struck, err); err != nil {
		return nil, err
	}
	return resultOf(s, seen, served), nil
}

// referenceConfig is ours, with its defaults and what is added.
func referenceConfig(extra string) string {
	addresses := make([]string, nodes)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("${STACK_NODE_%d}", i+1)
	}
	return gatewayConfig(nodeList(addresses, carriers[0]) + extra)
}

// resultOf makes figures of the whole load: faults come at any time of it.
func resultOf(s *system, seen *watched, served uint64) *reference {
	r := &reference{System: s.title, figures: *compute(seen, moments{}, "", 0)}
	var all []time.Duration
	for i := range seen.seen {
		if seen.seen[i].Err == nil {
			all = append(all, seen.seen[i].Took)
		}
	}
	r.P99 = p99(all)
	r.Extra = max(float64(served)/float64(len(seen.seen))-1, 0)
	return r
}

// script does to the nodes what the test consists of.
func (t *trial) script(ctx context.Context, s *stack.Stack, began time.Time) error {
	scale := time.Duration(1)
	if t.options.quick {
		scale = 3
	}
	until := func(at time.Duration) error { return pause(ctx, time.Until(began.Add(at/scale))) }
	var restarting sync.WaitGroup
	var restarted error
	for _, step := range []struct {
		at time.Duration
		do func() error
	}{
		{diesAt, s.Nodes()[0].Kill},
		{returnsAt, func() error {
			restarting.Go(func() { restarted = s.Nodes()[0].Restart(ctx, patience) })
			return nil
		}},
		{freezesAt, func() error { return s.Nodes()[1].Signal(syscall.SIGSTOP) }},
		{thawsAt, func() error { return s.Nodes()[1].Signal(syscall.SIGCONT) }},
		{referenceEnd, func() error { return nil }},
	} {
		if err := until(step.at); err != nil {
			return err
		}
		if err := step.do(); err != nil {
			return err
		}
	}
	restarting.Wait()
	return restarted
}

// counter counts what nodes have served, by asking each for its statistics. One that dies takes with it what it has served
// since it was asked last.
type counter struct {
	nodes []*stack.Process
	mu    sync.Mutex
	last  []uint64 // guarded by mu
	sum   uint64   // guarded by mu
	begun bool

	stopAsking context.CancelFunc
	asking     sync.WaitGroup
}

func countAt(ctx context.Context, nodes []*stack.Process) *counter {
	c := &counter{nodes: nodes, last: make([]uint64, len(nodes))}
	c.askAll(ctx)
	c.begun = true
	ctx, c.stopAsking = context.WithCancel(ctx)
	for i := range nodes {
		c.asking.Go(func() {
			for pause(ctx, sampleEvery) == nil {
				c.ask(ctx, i)
			}
		})
	}
	return c
}

func (c *counter) askAll(ctx context.Context) {
	for i := range c.nodes {
		c.ask(ctx, i)
	}
}

// ask reads one node's statistics; one that does not answer now is asked again soon.
func (c *counter) ask(ctx context.Context, i int) {
	body, err := get(ctx, "http://"+c.nodes[i].Address()+"/v2/models/"+light+"/stats")
	if err != nil {
		return
	}
	stats, err := oip.ParseStatistics(body)
	if err != nil {
		return
	}
	var now uint64
	for _, s := range stats {
		now += s.Inference.Success.Count + s.Inference.Fail.Count
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now < c.last[i] {
		c.last[i] = 0 // it has been started again
	}
	if c.begun {
		c.sum += now - c.last[i]
	}
	c.last[i] = now
}

// stop returns how much was served since the beginning.
func (c *counter) stop(ctx context.Context) uint64 {
	c.stopAsking()
	c.asking.Wait()
	c.askAll(ctx)
	return c.sum
}

// stale is what became of requests that met connections which the node was about to close.
type stale struct {
	Requests int            `json:"requests"`
	Failed   int            `json:"failed"`
	Errors   map[string]int `json:"errors,omitempty"`
}

// The race for stale connections: a node closes connections that were idle for 20 ms, and clients ask again after about as
// much.
const (
	staleIdle    = 20 * time.Millisecond
	staleClients = 8
	staleEach    = 120
)

// staleRace asks an HTTP/1.1 node in the moments at which it closes its connections.
func (t *trial) staleRace(ctx context.Context, s *system) (result stale, err error) {
	free, err := stack.FreeAddresses(1)
	if err != nil {
		return result, err
	}
	node, err := serve(free[0], newFixed(0), true, staleIdle)
	if err != nil {
		return result, err
	}
	defer node.close()
	b := &bed{trial: t, addresses: free}
	defer func() { err = errors.Join(err, b.close()) }()
	var url string
	if s.ours {
		if err := b.start(ctx, 1, nil, nil, carriers[0]); err != nil {
			return result, err
		}
		url = b.stack.GatewayURL()
	} else {
		e, err := t.startOther(ctx, s, free)
		if err != nil {
			return result, err
		}
		defer func() { err = errors.Join(err, e.stop()) }()
		url = e.url
	}
	return race(ctx, url+"/v2/models/"+model+"/infer"), ctx.Err()
}

// race sends the requests.
func race(ctx context.Context, url string) stale {
	result := stale{Requests: staleClients * staleEach, Errors: map[string]int{}}
	transport := &http.Transport{MaxIdleConnsPerHost: staleClients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range staleClients {
		all.Go(func() {
			for i := range staleEach {
				// From a millisecond too early to a millisecond too late.
				_ = pause(ctx, staleIdle+time.Duration(i%20-10)*100*time.Microsecond)
				if err := post(ctx, client, url); err != nil {
					mu.Lock()
					result.Failed++
					result.Errors[err.Error()]++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return result
}

func post(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"inputs":[]}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.GetBody = nil // so that the client does not repeat the request itself
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func (r *report) referenceTables(b *strings.Builder) {
	if s := r.Slow; s != nil {
		b.WriteString("\n### One of eight nodes becomes ten times as slow\n\n")
		b.WriteString("| requests | failed | p99 before / during / after | slowest | extra attempts | out after (goal: 2 s) | p99 back after (goal: 5 s) | share back after | goals |\n")
		b.WriteString("|---:|---:|---|---:|---:|---:|---:|---:|---|\n")
		fmt.Fprintf(b, "| %d | %d | %s / %s / %s ms | %s ms | %s | %s | %s | %s | %s |\n", s.Requests, s.Failed, ms(s.Before), ms(s.During), ms(s.After),
			ms(s.Slowest), percent(s.Extra), seconds(s.Noticed), seconds(s.Settled), seconds(s.Back), verdict(s.Goals))
	}
	if len(r.References) == 0 {
		return
	}
	b.WriteString("\n### Beside others\n\n")
	b.WriteString("| | requests | lost | p99 | slowest | extra load | stale connections: lost | goals |\n|---|---:|---:|---:|---:|---:|---:|---|\n")
	for i := range r.References {
		s := &r.References[i]
		goals := "–"
		if len(s.Goals) > 0 {
			goals = verdict(s.Goals)
		}
		fmt.Fprintf(b, "| %s | %d | %d | %s ms | %s ms | %s | %d of %d | %s |\n", s.System, s.Requests, s.Failed, ms(s.P99), ms(s.Slowest), percent(s.Extra),
			s.Stale.Failed, s.Stale.Requests, goals)
	}
}
