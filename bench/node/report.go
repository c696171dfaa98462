//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"ganglion/bench/harness"
)

// row is one number.
type row struct {
	name    string
	value   float64
	format  string
	goal    float64 // 0: none
	atLeast bool    // the goal is a least value, and not a most
	note    string
}

// met reports whether a goal is.
func (r *row) met() bool { return r.value >= r.goal == r.atLeast || r.value == r.goal }

// verdict is what the table says of the goal.
func (r *row) verdict() (goal, met string) {
	if r.goal == 0 {
		return "", ""
	}
	goal, met = "at most ", "no"
	if r.atLeast {
		goal = "at least "
	}
	if r.met() {
		met = "yes"
	}
	return goal + strings.TrimSuffix(fmt.Sprintf("%.2f", r.goal), ".00"), met
}

// report is what has been found out.
type report struct {
	rows      []row
	began     time.Time
	condition string
	quick     bool
	progress  io.Writer
}

func (r *report) begin(b *bench) {
	r.began, r.quick, r.progress = time.Now(), b.quick, b.progress
	r.condition = fmt.Sprintf("%d clients, medians of %d rounds of %v (rates of the large model: the best); node and bare loops on core %v, clients on %v of %s",
		b.clients, b.rounds, b.duration, b.cores.node, b.cores.clients, harness.Processor())
}

func (r *report) add(add row) { r.rows = append(r.rows, add) }

// say tells of progress.
func (r *report) say(format string, args ...any) { fmt.Fprintf(r.progress, "  "+format+"\n", args...) }

// print writes the table.
func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "%s\n\n", r.condition)
	if r.quick {
		fmt.Fprint(out, "--quick: everything works; the figures mean nothing\n\n")
	}
	width := 0
	for i := range r.rows {
		width = max(width, len([]rune(r.rows[i].name)))
	}
	fmt.Fprintf(out, "%-*s %10s  %-14s %-4s %s\n", width, "", "measured", "goal", "met", "")
	for i := range r.rows {
		row := &r.rows[i]
		goal, met := row.verdict()
		fmt.Fprintf(out, "%-*s %10s  %-14s %-4s %s\n", width, row.name, fmt.Sprintf(row.format, row.value), goal, met, row.note)
	}
}

// write writes the rows as JSON.
func (r *report) write(path string) error {
	type line struct {
		Name  string   `json:"name"`
		Value float64  `json:"value"`
		Goal  *float64 `json:"goal,omitempty"`
		Met   *bool    `json:"met,omitempty"`
		Note  string   `json:"note,omitempty"`
	}
	result := struct {
		Conditions string    `json:"conditions"`
		Began      time.Time `json:"began"`
		Quick      bool      `json:"quick"`
		Rows       []line    `json:"rows"`
	}{Conditions: r.condition, Began: r.began, Quick: r.quick}
	for i := range r.rows {
		row := &r.rows[i]
		l := line{Name: row.name, Value: row.value, Note: row.note}
		if met := row.met(); row.goal != 0 {
			l.Goal, l.Met = &row.goal, &met
		}
		result.Rows = append(result.Rows, l)
	}
	return harness.WriteJSON(path, result)
}
