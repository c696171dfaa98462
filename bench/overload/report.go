//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// report is all that a run found.
type report struct {
	Capacity float64       `json:"capacity"` // requests a second that the node does
	Patience time.Duration `json:"patience"`
	Offered  []float64     `json:"offered"`
	Rows     []row         `json:"rows"`
	Outages  []outageRow   `json:"outages"`
}

// row is one system under one load.
type row struct {
	System    string  `json:"system"`
	Load      float64 `json:"load"`
	PerSecond float64 `json:"per_second"` // good answers in time
	Good      times   `json:"good"`
	Refused   times   `json:"refused"` // answered, but with an error
	Late      int     `json:"late"`    // no answer within the client's patience
	Later     int     `json:"later"`   // refusals that said when to come back
	Unsent    times   `json:"unsent"`  // how late the generator was; part of the other times
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
	var good, refused, unsent []time.Duration
	inTime := 0
	for _, o := range outcomes {
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
			refused = append(refused, o.took)
			if o.later {
				r.Later++
			}
		}
	}
	r.Good, r.Refused, r.Unsent = timesOf(good), timesOf(refused), timesOf(unsent)
	r.PerSecond = float64(inTime) / during.Seconds()
	return r
}

// outageRow is one system without a node that works.
type outageRow struct {
	System   string  `json:"system"`
	Attempts float64 `json:"attempts"` // for each request, while nodes reset every connection
	Reset    times   `json:"reset"`    // of answers then
	Closed   times   `json:"closed"`   // of answers while nobody listens
	Silent   int     `json:"silent"`   // requests without an answer
	Later    float64 `json:"later"`    // the part of the last answers that said when to come back
	Unsent   times   `json:"unsent"`   // how late the generator was with the last requests
}

func newOutage(system string, outcomes []outcome, attempts int64) outageRow {
	r := outageRow{System: system, Attempts: float64(attempts) / float64(max(1, len(outcomes)))}
	r.Reset, _ = r.answers(outcomes)
	return r
}

// closed takes in what became of requests while nobody listened, if it is the first time or the generator was less late.
func (r *outageRow) closed(outcomes []outcome, first bool) {
	var unsent []time.Duration
	for _, o := range outcomes {
		unsent = append(unsent, o.unsent)
	}
	if t := timesOf(unsent); first || t.P99 < r.Unsent.P99 {
		r.Closed, r.Later = r.answers(outcomes)
		r.Unsent = t
	}
}

func (r *outageRow) answers(outcomes []outcome) (t times, later float64) {
	var all []time.Duration
	told := 0
	for _, o := range outcomes {
		if o.status == 0 {
			r.Silent++
			continue
		}
		all = append(all, o.took)
		if o.later {
			told++
		}
	}
	return timesOf(all), float64(told) / float64(max(1, len(all)))
}

// The goals: the share of capacity that is answered in time at ten times the capacity and the time of refusals then; more
// attempts in an outage, and the time of its answers.
const (
	goalGoodput  = 0.95
	goalRefusal  = 10 * time.Millisecond
	goalAttempts = 1.1
	goalOutage   = 5 * time.Millisecond
)

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "A node that does %.0f requests/s, clients that wait %s.\n\n", r.Capacity, r.Patience)
	fmt.Fprintln(w, "| system | offered | answered in time, of capacity | p50 / p99 of answers, ms | refused | p99 of refusals, ms | with Retry-After | no answer in time | of these times, sent late: p99, ms |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	for i := range r.Rows {
		o := &r.Rows[i]
		fmt.Fprintf(w, "| %s | %.1f × | %.1f %% | %s / %s | %d | %s | %s | %d | %s |\n", o.System, o.Load, 100*o.PerSecond/r.Capacity,
			ms(o.Good, o.Good.P50), ms(o.Good, o.Good.P99), o.Refused.Count, ms(o.Refused, o.Refused.P99), share(o.Later, o.Refused.Count), o.Late, ms(o.Unsent, o.Unsent.P99))
	}
	fmt.Fprintln(w, "\n| no node works | attempts a request | p99 of answers while nodes reset, ms | p99 while nobody listens, ms | with Retry-After | no answer | sent late then: p99, ms |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|")
	for _, o := range r.Outages {
		fmt.Fprintf(w, "| %s | %.2f | %s | %s | %.0f %% | %d | %s |\n", o.System, o.Attempts, ms(o.Reset, o.Reset.P99), ms(o.Closed, o.Closed.P99), 100*o.Later, o.Silent,
			ms(o.Unsent, o.Unsent.P99))
	}
	fmt.Fprintln(w)
	r.judge(w)
}

// judge holds ours against the goals.
func (r *report) judge(w io.Writer) {
	verdict := func(met bool) string {
		if met {
			return "met"
		}
		return "**missed**"
	}
	for _, o := range r.Rows {
		if o.Load < 10 || !ours(o.System) {
			continue
		}
		fmt.Fprintf(w, "- %s at %.0f ×: goodput at least %.0f %%: %s; refusals under %s: %s\n", o.System, o.Load, 100*goalGoodput,
			verdict(o.PerSecond >= goalGoodput*r.Capacity), goalRefusal, verdict(o.Refused.P99 < goalRefusal))
	}
	for _, o := range r.Outages {
		if ours(o.System) {
			fmt.Fprintf(w, "- %s without nodes: at most %.0f %% more attempts: %s; answers under %s: %s\n", o.System, 100*(goalAttempts-1),
				verdict(o.Attempts <= goalAttempts), goalOutage, verdict(o.Closed.P99 < goalOutage && o.Closed.Count > 0))
		}
	}
}

func ours(system string) bool { return len(system) > 8 && system[:8] == "Ganglion" }

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
