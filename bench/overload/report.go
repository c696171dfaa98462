//go:build linux

package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"ganglion/bench/harness"
)

// report is all that a run found.
type report struct {
	Started  time.Time     `json:"started"`
	Took     time.Duration `json:"took"`
	Others   float64       `json:"others"` // share of the machine that other processes used meanwhile
	CPU      string        `json:"cpu"`
	Cores    int           `json:"cores"`
	Kernel   string        `json:"kernel"`
	Capacity float64       `json:"capacity"` // requests a second that the node does
	Patience time.Duration `json:"patience"`
	Offered  []float64     `json:"offered"`
	During   time.Duration `json:"during"` // for which each load is offered
	Tries    int           `json:"tries"`  // at most
	Rows     []row         `json:"rows"`
	Outages  []outageRow   `json:"outages"`

	usage harness.Usage
}

func newReport(o *options) *report {
	return &report{
		Started: time.Now().UTC().Truncate(time.Second), CPU: harness.Processor(), Cores: runtime.NumCPU(), Kernel: harness.Kernel(),
		Patience: patience, Offered: loads[:], During: o.duration, Tries: o.tries, usage: harness.BeginUsage(),
	}
}

// end notes what the whole run has taken.
func (r *report) end() { r.Took, r.Others = r.usage.Took(), r.usage.Others() }

// row is one system under one load.
type row struct {
	System      string  `json:"system"`
	Load        float64 `json:"load"`
	PerSecond   float64 `json:"per_second"` // good answers in time
	Good        times   `json:"good"`
	Refused     times   `json:"refused"` // answered, but with an error
	RefusedSent times   `json:"refused_since_sent"`
	Late        int     `json:"late"`   // no answer within the client's patience
	Later       int     `json:"later"`  // refusals that said when to come back
	Unsent      times   `json:"unsent"` // how late the generator was; part of the other times, but for those since a request was sent
}

// times are those of some requests.
type times struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
}

func timesOf(all []time.Duration) times {
	if len(all) == 0 {
		return times{}
	}
	slices.Sort(all)
	at := func(q float64) time.Duration { return all[min(int(q*float64(len(all))), len(all)-1)] }
	return times{len(all), at(0.5), at(0.99)}
}

func newRow(system string, load float64, during time.Duration, outcomes []outcome) row {
	r := row{System: system, Load: load}
	var good, refused, sent, unsent []time.Duration
	inTime := 0
	for i := range outcomes {
		o := &outcomes[i]
		if end := o.due + o.took; o.status == 200 && end >= warmup && end < warmup+during {
			inTime++ // whenever it was due: what was worked on meanwhile is what counts
		}
		if o.due < warmup {
			continue
		}
		unsent = append(unsent, o.unsent)
		switch o.status {
		case 200:
			good = append(good, o.took)
		case 0:
			r.Late++
		default:
			refused, sent = append(refused, o.took), append(sent, o.sinceSent())
			if o.later {
				r.Later++
			}
		}
	}
	r.Good, r.Refused, r.RefusedSent, r.Unsent = timesOf(good), timesOf(refused), timesOf(sent), timesOf(unsent)
	r.PerSecond = float64(inTime) / during.Seconds()
	return r
}

// outageRow is one system without a node that works.
type outageRow struct {
	System   string  `json:"system"`
	Attempts float64 `json:"attempts"` // for each request, while nodes reset every connection
	Reset    phase   `json:"reset"`    // while they do
	Closed   phase   `json:"closed"`   // while nobody listens
}

// phase is a part of an outage.
type phase struct {
	Answers     times   `json:"answers"`
	AnswersSent times   `json:"answers_since_sent"`
	Silent      int     `json:"silent"` // requests without an answer
	Later       float64 `json:"later"`  // the part of the answers that said when to come back
	Unsent      times   `json:"unsent"` // how late the generator was; part of Answers
}

func newPhase(outcomes []outcome) (p phase) {
	var answers, sent, unsent []time.Duration
	told := 0
	for i := range outcomes {
		o := &outcomes[i]
		unsent = append(unsent, o.unsent)
		if o.status == 0 {
			p.Silent++
			continue
		}
		answers, sent = append(answers, o.took), append(sent, o.sinceSent())
		if o.later {
			told++
		}
	}
	p.Answers, p.AnswersSent, p.Unsent = timesOf(answers), timesOf(sent), timesOf(unsent)
	p.Later = float64(told) / float64(max(1, len(answers)))
	return p
}

// unsent is how late the generator was in the phase in which it was latest.
func (r *outageRow) unsent() time.Duration { return max(r.Reset.Unsent.P99, r.Closed.Unsent.P99) }

// The goals: the share of capacity that is answered in time at ten times the capacity and the time of refusals then; more
// attempts in an outage, and the time of its answers.
const (
	goalGoodput  = 0.95
	goalRefusal  = 10 * time.Millisecond
	goalAttempts = 1.1
	goalOutage   = 5 * time.Millisecond
)

// text is the report as it stands in docs/overload.md.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d cores, Linux %s. A node does %.0f requests/s here. ", r.Started.Format("2006-01-02 15:04"), r.CPU, r.Cores, r.Kernel, r.Capacity)
	fmt.Fprintf(&b, "Each load was offered for %.0f s, up to %d times, until the generator was on time. The run took %.0f s, in which other processes used %.0f %% of the machine.\n",
		r.During.Seconds(), r.Tries, r.Took.Seconds(), 100*r.Others)
	r.loadTable(&b)
	r.outageTable(&b)
	r.goalTable(&b)
	return b.String()
}

func (r *report) loadTable(w io.Writer) {
	if len(r.Rows) == 0 {
		return
	}
	fmt.Fprintln(w, "\n| system | offered | answered in time, of capacity | p50 / p99 of answers, ms | refused | p99 of refusals, ms | since they were sent | with Retry-After | no answer in time | sent late: p99, ms |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for i := range r.Rows {
		o := &r.Rows[i]
		fmt.Fprintf(w, "| %s | %.1f × | %.1f %% | %s / %s | %d | %s | %s | %s | %d | %s |\n", o.System, o.Load, 100*o.PerSecond/r.Capacity,
			ms(o.Good, o.Good.P50), ms(o.Good, o.Good.P99), o.Refused.Count, ms(o.Refused, o.Refused.P99), ms(o.RefusedSent, o.RefusedSent.P99),
			share(o.Later, o.Refused.Count), o.Late, ms(o.Unsent, o.Unsent.P99))
	}
}

func (r *report) outageTable(w io.Writer) {
	if len(r.Outages) == 0 {
		return
	}
	fmt.Fprintln(w, "\n| no node works | attempts a request | nodes reset: p99 of answers, ms | since they were sent | sent late: p99, ms | nobody listens: p99 of answers, ms | since they were sent | sent late: p99, ms | with Retry-After | no answer |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for i := range r.Outages {
		o := &r.Outages[i]
		fmt.Fprintf(w, "| %s | %.2f |", o.System, o.Attempts)
		for _, p := range []*phase{&o.Reset, &o.Closed} {
			fmt.Fprintf(w, " %s | %s | %s |", ms(p.Answers, p.Answers.P99), ms(p.AnswersSent, p.AnswersSent.P99), ms(p.Unsent, p.Unsent.P99))
		}
		fmt.Fprintf(w, " %.0f %% | %d |\n", 100*o.Closed.Later, o.Reset.Silent+o.Closed.Silent)
	}
}

// goalTable holds ours against the goals. Times count from when a request was due: what the generator was late is part of them,
// which is to our disadvantage and beyond doubt.
func (r *report) goalTable(w io.Writer) {
	fmt.Fprintln(w, "\n| | goal | |\n|---|---|---|")
	line := func(system, goal string, met bool, format string, got ...any) {
		verdict := "**missed**"
		if met {
			verdict = "met"
		}
		fmt.Fprintf(w, "| %s | %s | %s: %s |\n", system, goal, verdict, fmt.Sprintf(format, got...))
	}
	for i := range r.Rows {
		o := &r.Rows[i]
		if o.Load < 10 || !ours(o.System) {
			continue
		}
		part := o.PerSecond / r.Capacity
		line(o.System, fmt.Sprintf("goodput at ten times the capacity at least %.0f %% of it", 100*goalGoodput), part >= goalGoodput, "%.1f %%", 100*part)
		line(o.System, fmt.Sprintf("refusals then under %s", goalRefusal), o.Refused.P99 < goalRefusal, "%s ms, %s since they were sent",
			ms(o.Refused, o.Refused.P99), ms(o.RefusedSent, o.RefusedSent.P99))
	}
	for i := range r.Outages {
		o := &r.Outages[i]
		if !ours(o.System) {
			continue
		}
		c := &o.Closed
		line(o.System, fmt.Sprintf("at most %.0f %% more attempts while no node works", 100*(goalAttempts-1)), o.Attempts <= goalAttempts, "%.2f attempts a request", o.Attempts)
		line(o.System, fmt.Sprintf("503 in under %s then, with `Retry-After`", goalOutage), c.Answers.P99 < goalOutage && c.Answers.Count > 0 && c.Later == 1,
			"%s ms, %s since they were sent; %.0f %% had the header", ms(c.Answers, c.Answers.P99), ms(c.AnswersSent, c.AnswersSent.P99), 100*c.Later)
	}
}

func ours(system string) bool { return strings.HasPrefix(system, "Ganglion") }

// ms is a time in milliseconds, or a dash where there were none.
func ms(of times, d time.Duration) string {
	if of.Count == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", d.Seconds()*1000)
}

func share(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(of))
}
