//go:build linux

package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"ganglion/bench/harness"
)

// report is all that a run found, and where it ran.
type report struct {
	Started  time.Time `json:"started"`
	Took     float64   `json:"seconds"`
	Others   float64   `json:"others"` // share of the machine that other processes used meanwhile
	CPU      string    `json:"cpu"`
	Cores    int       `json:"cores"`
	Kernel   string    `json:"kernel"`
	Capacity float64   `json:"capacity,omitempty"` // requests a second that the nodes can do
	Rate     float64   `json:"rate,omitempty"`

	Rows       []row       `json:"faults,omitempty"`
	References []reference `json:"references,omitempty"`
	Slow       *slowOf8    `json:"slow_of_8,omitempty"`
	Skipped    []skipped   `json:"skipped,omitempty"`

	usage harness.Usage
}

// row is one fault over one carrier.
type row struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Carrier string `json:"carrier"`
	figures
	Goals []goal `json:"goals"`
}

// skipped is what could not be measured.
type skipped struct{ What, Carrier, Why string }

// goal is what was wanted, beside what was measured.
type goal struct {
	What string `json:"what"`
	Got  string `json:"got"`
	Met  bool   `json:"met"`
}

func newReport() *report {
	return &report{
		Started: time.Now().UTC().Truncate(time.Second), CPU: harness.Processor(), Cores: runtime.NumCPU(), Kernel: harness.Kernel(),
		usage: harness.BeginUsage(),
	}
}

// end notes what the whole run has taken.
func (r *report) end() {
	r.Took, r.Others = r.usage.Took().Round(time.Second).Seconds(), r.usage.Others()
}

// The goals.
const (
	refusedWithin = time.Second          // while no node is left, each 503
	refusedP99    = 5 * time.Millisecond // and 99 of 100 of them
	outageExtra   = 0.10                 // attempts, while no node is left
)

// goalsOf are those of a fault.
func goalsOf(f *fault, g *figures) []goal {
	if !f.all {
		return []goal{{"no failure", fmt.Sprint(g.Failed), g.Failed == 0}}
	}
	return []goal{
		{"while no node is left, nothing but 503", fmt.Sprintf("%d other failures", g.Unrefused), g.Unrefused == 0},
		{"each 503 within " + refusedWithin.String(), g.RefusedMost.String(), g.RefusedMost < refusedWithin},
		{"99 of 100 of them within " + refusedP99.String(), g.RefusedP99.String(), g.RefusedP99 < refusedP99},
		{"at most 10 % more attempts than requests", percent(g.Extra), g.Extra <= outageExtra},
		{"no failure once a node has been back for " + recovery.String(), fmt.Sprint(g.LateFailed), g.LateFailed == 0},
	}
}

// goals counts those that were met, and all.
func (r *report) goals() (met, all int) {
	count := func(goals []goal) {
		for _, g := range goals {
			if all++; g.Met {
				met++
			}
		}
	}
	for i := range r.Rows {
		count(r.Rows[i].Goals)
	}
	for i := range r.References {
		count(r.References[i].Goals)
	}
	if r.Slow != nil {
		count(r.Slow.Goals)
	}
	return met, all
}

// text is the report as it stands in docs/faults.md.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d cores, Linux %s.", r.Started.Format("2006-01-02 15:04"), r.CPU, r.Cores, r.Kernel)
	if r.Capacity > 0 {
		fmt.Fprintf(&b, " Three nodes can do %.0f requests/s together; the load is %.0f/s.", r.Capacity, r.Rate)
	} else if r.Rate > 0 {
		fmt.Fprintf(&b, " The load is %.0f requests/s.", r.Rate)
	}
	fmt.Fprintf(&b, " The run took %.0f s, in which other processes used %.0f %% of the machine.\n", r.Took, 100*r.Others)
	r.faultTables(&b)
	r.referenceTables(&b)
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "\nSkipped: %s over %s: %s.\n", s.What, s.Carrier, s.Why)
	}
	met, all := r.goals()
	fmt.Fprintf(&b, "\n%d of %d goals are met.\n", met, all)
	if missed := r.missed(); missed != "" {
		b.WriteString("\n" + missed)
	}
	return b.String()
}

var carrierTitles = map[string]string{"hop": "Nodes over the hop", "http": "Nodes over HTTP/1.1", "grpc": "Nodes over gRPC"}

func (r *report) faultTables(b *strings.Builder) {
	for _, carrier := range carriers {
		if !slices.ContainsFunc(r.Rows, func(row row) bool { return row.Carrier == carrier }) {
			continue
		}
		fmt.Fprintf(b, "\n### %s\n\n", carrierTitles[carrier])
		b.WriteString("| fault | requests | failed | p99 before / during / after | slowest | extra attempts | noticed after | share back after | p99 back after | goals |\n")
		b.WriteString("|---|---:|---:|---|---:|---:|---:|---:|---:|---|\n")
		for i := range r.Rows {
			if row := &r.Rows[i]; row.Carrier == carrier {
				fmt.Fprintf(b, "| *%s*: %s | %d | %s | %s / %s / %s ms | %s | %s | %s | %s | %s | %s |\n", row.Name, row.What, row.Requests, row.failures(),
					ms(row.Before), ms(row.During), ms(row.After), ms(row.Slowest)+" ms", percent(row.Extra),
					seconds(row.Noticed), seconds(row.Back), seconds(row.Settled), verdict(row.Goals))
			}
		}
	}
}

// failures are all, and of them those that were refused, where that is what is wanted.
func (r *row) failures() string {
	if r.Refused > 0 {
		return fmt.Sprintf("%d, of them %d × 503 (p99 %s, slowest %s ms)", r.Failed, r.Refused, ms(r.RefusedP99), ms(r.RefusedMost))
	}
	return fmt.Sprint(r.Failed)
}

// line is a row for somebody who waits.
func (r *row) line() string {
	return fmt.Sprintf("%6d requests, %d failed; p99 %s / %s / %s, slowest %s ms; %s extra; noticed %s, share back %s, p99 back %s: %s %v",
		r.Requests, r.Failed, ms(r.Before), ms(r.During), ms(r.After), ms(r.Slowest), percent(r.Extra), seconds(r.Noticed), seconds(r.Back), seconds(r.Settled), verdict(r.Goals), r.Errors)
}

func verdict(goals []goal) string {
	met := 0
	for _, g := range goals {
		if g.Met {
			met++
		}
	}
	if met == len(goals) {
		return "met"
	}
	return fmt.Sprintf("**missed %d of %d**", len(goals)-met, len(goals))
}

// missed lists the goals that were not met.
func (r *report) missed() string {
	var b strings.Builder
	list := func(name string, goals []goal) {
		for _, g := range goals {
			if !g.Met {
				fmt.Fprintf(&b, "- missed: %s: %s: %s\n", name, g.What, g.Got)
			}
		}
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		list(row.Name+" over "+row.Carrier, row.Goals)
	}
	for i := range r.References {
		list(r.References[i].System, r.References[i].Goals)
	}
	if r.Slow != nil {
		list("one of 8 slow", r.Slow.Goals)
	}
	return b.String()
}

func ms(d time.Duration) string {
	v := d.Seconds() * 1000
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func seconds(d *time.Duration) string {
	if d == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
