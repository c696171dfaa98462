//go:build linux

package main

import (
	"fmt"
	"io"
	"time"

	"ganglion/bench/harness"
	"ganglion/internal/loadgen"
)

// verdict is one goal and what was measured.
type verdict struct {
	What   string  `json:"what"`
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs,omitempty"`
	Ratio  float64 `json:"ratio"` // of ours to theirs
	Goal   float64 `json:"goal"`  // the ratio at most
	Unit   string  `json:"unit"`
	Met    bool    `json:"met"`
}

// judgeGoals compares what was measured with what we hold ourselves to. Goals for which something was not measured are left
// out.
func (r *report) judgeGoals() []verdict {
	var all []verdict
	add := func(what, unit string, goal float64, ours, theirs []float64) {
		if len(ours) == 0 || len(theirs) == 0 {
			return
		}
		v := verdict{What: what, Unit: unit, Goal: goal, Ours: harness.Median(ours), Theirs: harness.Median(theirs)}
		v.Ratio = v.Ours / v.Theirs
		v.Met = v.Ratio <= goal
		all = append(all, v)
	}
	cpu := func(system string, j job) []float64 { return r.pick(system, j, cpuMicros) }
	few, many := job{proxied, 64}, job{proxied, most}
	add("proxied over the hop, 64 clients, against HAProxy", "µs", 0.65, cpu("ganglion", few), cpu("haproxy", few))
	add("proxied over the hop, 64 clients, against nginx", "µs", 0.65, cpu("ganglion", few), cpu("nginx", few))
	add("proxied over the hop, 256 clients, against HAProxy", "µs", 0.55, cpu("ganglion", many), cpu("haproxy", many))
	add("proxied over the hop, 256 clients, against nginx", "µs", 0.55, cpu("ganglion", many), cpu("nginx", many))
	add("proxied over the hop, 64 clients, against Envoy", "µs", 0.4, cpu("ganglion", few), cpu("envoy", few))
	add("proxied over the hop, 256 clients, against Envoy", "µs", 0.4, cpu("ganglion", many), cpu("envoy", many))
	add("proxied to an HTTP/1.1 node, 64 clients, against HAProxy", "µs", 1.15, cpu("ganglion-http", few), cpu("haproxy", few))
	add("from the cache, against nginx", "µs", 0.6, cpu("ganglion", job{cached, 64}), cpu("nginx", job{cached, 64}))
	add("proxy and node together, the hop against HTTP/1.1", "µs", 0.75, r.pick("ganglion", few, both), r.pick("ganglion-http", few, both))
	for _, q := range []struct {
		name string
		of   func(*measurement) float64
	}{{"p50", p50}, {"p99", p99}} {
		add("added to one client's "+q.name+", against HAProxy", "µs", 1, r.added("ganglion", q.of), r.added("haproxy", q.of))
	}
	add("600 KB tensors, CPU for each, against HAProxy", "µs", 1, cpu("ganglion", job{large, largeClients}), cpu("haproxy", job{large, largeClients}))
	for _, q := range []struct {
		name string
		of   func(loadgen.Latency) time.Duration
	}{
		{"p99", func(l loadgen.Latency) time.Duration { return l.P99 }},
		{"p99.9", func(l loadgen.Latency) time.Duration { return l.P999 }},
	} {
		add(fmt.Sprintf("%s at %.0f requests/s (60 %% of HAProxy's most), against HAProxy", q.name, r.FixedRate), "ms", 1, r.latencies("ganglion", q.of), r.latencies("haproxy", q.of))
	}
	for _, m := range r.Idle {
		if m.System == "ganglion" {
			// The goal is for 10,000 clients; fewer may take less.
			goal := 200 * float64(m.Clients) / 10000
			add(fmt.Sprintf("memory with %d idle clients", m.Clients), "MiB", 1, []float64{float64(m.After) / (1 << 20)}, []float64{goal})
		}
	}
	return all
}

// both is the CPU time of proxy and node.
func both(m *measurement) float64 { return m.CPUMicros + m.NodeMicros }

// added is what a system adds to a quantile of one client that asks the node directly.
func (r *report) added(system string, quantile func(*measurement) float64) []float64 {
	alone := job{proxied, 1}
	direct, through := r.pick("direct", alone, quantile), r.pick(system, alone, quantile)
	if len(direct) == 0 {
		return nil
	}
	for i := range through {
		through[i] -= harness.Median(direct)
	}
	return through
}

// printGoals writes the goals beside what was measured.
func (r *report) printGoals(w io.Writer) {
	if len(r.Goals) == 0 {
		return
	}
	fmt.Fprintln(w, "\n| | ours | theirs | ratio | goal | |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	met := 0
	for _, v := range r.Goals {
		mark := "missed"
		if v.Met {
			mark = "met"
			met++
		}
		fmt.Fprintf(w, "| %s | %.3g %s | %.3g %s | %.2f | ≤ %.2f | %s |\n", v.What, v.Ours, v.Unit, v.Theirs, v.Unit, v.Ratio, v.Goal, mark)
	}
	fmt.Fprintf(w, "\n%d of %d goals are met.\n", met, len(r.Goals))
}
