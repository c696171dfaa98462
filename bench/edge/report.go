//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report is all that a run found, and where it ran.
type report struct {
	Machine      machine           `json:"machine"`
	Versions     map[string]string `json:"versions"`
	Rounds       int               `json:"rounds"`
	Seconds      float64           `json:"seconds"`
	Clients      int               `json:"clients"`
	Started      time.Time         `json:"started"`
	Measurements []measurement     `json:"measurements"`

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
		Machine: machine{CPU: cpuModel(), Cores: len(b.cores.rest) + 1, Kernel: kernel()},
		Rounds:  b.rounds, Seconds: b.duration.Seconds(), Clients: b.clients,
		Started: time.Now().UTC().Truncate(time.Second), Versions: map[string]string{},
		systems: b.systems(),
	}
	for tool, flag := range map[string]string{"nginx": "-v", "haproxy": "-v", "gateway": "version"} {
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

// writeJSON writes every measurement to a file.
func (r *report) writeJSON(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// print writes the table and what belongs to it.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%d rounds of %g s in turn, %d keep-alive clients, two nodes that answer at once; medians, range in brackets.\n",
		r.Rounds, r.Seconds, r.Clients)
	fmt.Fprintf(w, "%s, %d cores: the proxy alone on one; %s; Linux %s.\n", r.Machine.CPU, r.Machine.Cores, r.versions(), r.Machine.Kernel)
	fmt.Fprintf(w, "Other processes used %.0f %% of the machine (at most %.0f %% during one measurement).\n\n",
		100*median(r.pick("", "", others)), 100*slices.Max(r.pick("", "", others)))
	fmt.Fprintln(w, "| | CPU µs per request, proxied | from cache | requests/s, proxied | from cache | p50 / p99 ms, proxied | from cache |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	for _, s := range r.systems {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", s.title,
			r.cost(s, proxied), r.cost(s, cached), r.rate(s, proxied), r.rate(s, cached), r.latency(s, proxied), r.latency(s, cached))
	}
	fmt.Fprintln(w, "\nHAProxy's cache does not take POST. No access logs but where it says so.")
}

// versions are the programs compared, in the order of the table.
func (r *report) versions() string {
	var vs []string
	for _, tool := range []string{"haproxy", "nginx", "gateway"} {
		if v := r.Versions[tool]; v != "" {
			vs = append(vs, v)
		}
	}
	return strings.Join(vs, ", ")
}

// missing stands for what a system does not do.
const missing = "–"

// cost is CPU time per request.
func (r *report) cost(s system, name string) string {
	v := r.pick(s.name, name, cpuMicros)
	if len(v) == 0 || s.tool == "" {
		return missing
	}
	return fmt.Sprintf("%.1f (%.1f–%.1f)", median(v), slices.Min(v), slices.Max(v))
}

// rate is requests a second.
func (r *report) rate(s system, name string) string {
	v := r.pick(s.name, name, perSecond)
	if len(v) == 0 {
		return missing
	}
	return fmt.Sprintf("%.0f", median(v))
}

// latency is as the clients saw it.
func (r *report) latency(s system, name string) string {
	half := r.pick(s.name, name, p50)
	if len(half) == 0 {
		return missing
	}
	return fmt.Sprintf("%.2f / %.2f", median(half), median(r.pick(s.name, name, p99)))
}

func cpuMicros(m *measurement) float64 { return m.CPUMicros }
func perSecond(m *measurement) float64 { return float64(m.Requests) / m.Seconds }
func p50(m *measurement) float64       { return float64(m.P50US) / 1000 }
func p99(m *measurement) float64       { return float64(m.P99US) / 1000 }
func others(m *measurement) float64    { return m.OthersShare }

// pick takes one value of each measurement of a system's case; "" is all.
func (r *report) pick(system, name string, value func(*measurement) float64) []float64 {
	var v []float64
	for i := range r.Measurements {
		m := &r.Measurements[i]
		if (system == "" || m.System == system) && (name == "" || m.Case == name) {
			v = append(v, value(m))
		}
	}
	return v
}

// median is the middle value, or the mean of the two in the middle.
func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// cpuModel is the processor's name, or its architecture where Linux knows none.
func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}

// kernel is the release of the running kernel.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
