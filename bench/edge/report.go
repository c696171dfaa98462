//go:build linux

package main

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"ganglion/bench/harness"
)

// report is all that a run found, and where it ran.
type report struct {
	Machine      machine           `json:"machine"`
	Versions     map[string]string `json:"versions"`
	Rounds       int               `json:"rounds"`
	Seconds      float64           `json:"seconds"`
	Started      time.Time         `json:"started"`
	Measurements []measurement     `json:"measurements"`
	FixedRate    float64           `json:"fixed_rate,omitempty"` // requests a second
	Timed        []timed           `json:"timed,omitempty"`
	Idle         []idleMemory      `json:"idle,omitempty"`
	Goals        []verdict         `json:"goals"`

	systems []system
}

// machine is what the figures depend on.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"` // that the benchmark may use
	Kernel string `json:"kernel"`
}

// newReport notes the circumstances of a run.
func newReport(b *bench) *report {
	r := &report{
		Machine: machine{CPU: harness.Processor(), Cores: len(b.cores.rest) + 1, Kernel: harness.Kernel()},
		Rounds:  b.rounds, Seconds: b.duration.Seconds(),
		Started: time.Now().UTC().Truncate(time.Second), Versions: map[string]string{},
		systems: b.systems(),
	}
	for tool, flag := range map[string]string{"nginx": "-v", "haproxy": "-v", "envoy": "--version", "gateway": "version"} {
		if path := b.tools[tool]; path != "" {
			r.Versions[tool] = version(path, flag)
		}
	}
	return r
}

// version is what a program calls itself in the first line that flag prints,
// without the address and the date that some add.
func version(path, flag string) string {
	out, err := exec.Command(path, flag).CombinedOutput()
	if err != nil {
		return filepath.Base(path) + ", version unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if v := regexp.MustCompile(`\d+(\.\d+)+`).FindString(line); v != "" {
		return filepath.Base(path) + " " + v
	}
	return strings.TrimSpace(line)
}

// add takes in the measurements of one system and round.
func (r *report) add(ms []measurement) { r.Measurements = append(r.Measurements, ms...) }

// print writes the tables and what belongs to them.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%d rounds of %g s in turn, two nodes that answer at once; medians, range in brackets.\n", r.Rounds, r.Seconds)
	fmt.Fprintf(w, "%s, %d cores: the proxy alone on one; %s; Linux %s.\n", r.Machine.CPU, r.Machine.Cores, r.versions(), r.Machine.Kernel)
	all := r.pick("", job{}, others)
	fmt.Fprintf(w, "Other processes used %.0f %% of the machine (at most %.0f %% during one measurement).\n\n", 100*harness.Median(all), 100*slices.Max(all))
	fmt.Fprintln(w, "| CPU µs per request | proxied, 64 clients | 256 clients | from cache | 600 KB request | node, 64 clients |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	for _, s := range r.systems {
		if s.tool != "" {
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", s.title, r.cost(s, job{proxied, 64}), r.cost(s, job{proxied, most}),
				r.cost(s, job{cached, 64}), r.cost(s, job{large, largeClients}), r.nodeCost(s, job{proxied, 64}))
		}
	}
	fmt.Fprintln(w, "\n| | requests/s, 64 clients | 256 clients | from cache | p50 / p99 µs of one client |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, s := range r.systems {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", s.title, r.rate(s, job{proxied, 64}), r.rate(s, job{proxied, most}), r.rate(s, job{cached, 64}), r.latency(s, job{proxied, 1}))
	}
	fmt.Fprintln(w, "\nHAProxy's cache does not take POST. No access logs but where it says so.")
	r.printGoals(w)
}

// versions are the programs compared, in the order of the table.
func (r *report) versions() string {
	var vs []string
	for _, tool := range []string{"haproxy", "nginx", "envoy", "gateway"} {
		if v := r.Versions[tool]; v != "" {
			vs = append(vs, v)
		}
	}
	return strings.Join(vs, ", ")
}

// missing stands for what a system does not do.
const missing = "–"

// cost is CPU time per request.
func (r *report) cost(s system, j job) string { return ranged(r.pick(s.name, j, cpuMicros)) }

// nodeCost is the CPU time of the nodes per request.
func (r *report) nodeCost(s system, j job) string { return ranged(r.pick(s.name, j, nodeMicros)) }

func ranged(v []float64) string {
	if len(v) == 0 {
		return missing
	}
	return fmt.Sprintf("%.1f (%.1f–%.1f)", harness.Median(v), slices.Min(v), slices.Max(v))
}

// rate is requests a second.
func (r *report) rate(s system, j job) string {
	v := r.pick(s.name, j, perSecond)
	if len(v) == 0 {
		return missing
	}
	return fmt.Sprintf("%.0f", harness.Median(v))
}

// latency is as the clients saw it.
func (r *report) latency(s system, j job) string {
	half := r.pick(s.name, j, p50)
	if len(half) == 0 {
		return missing
	}
	return fmt.Sprintf("%.0f / %.0f", harness.Median(half), harness.Median(r.pick(s.name, j, p99)))
}

func cpuMicros(m *measurement) float64  { return m.CPUMicros }
func perSecond(m *measurement) float64  { return float64(m.Requests) / m.Seconds }
func nodeMicros(m *measurement) float64 { return m.NodeMicros }
func p50(m *measurement) float64        { return float64(m.P50US) }
func p99(m *measurement) float64        { return float64(m.P99US) }
func others(m *measurement) float64     { return m.OthersShare }

// pick takes one value of each measurement of a system's job; no name and no job are all.
func (r *report) pick(system string, j job, value func(*measurement) float64) []float64 {
	var v []float64
	for i := range r.Measurements {
		m := &r.Measurements[i]
		if (system == "" || m.System == system) && (j == job{} || j == job{m.Work, m.Clients}) {
			v = append(v, value(m))
		}
	}
	return v
}
