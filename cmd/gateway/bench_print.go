package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"ganglion/internal/loadgen"
)

// print shows results to people: one whole, or several in a table with their ratio.
func (f *benchFlags) print(w io.Writer, results []*loadgen.Result) {
	if len(results) == 1 {
		printResult(w, results[0])
		return
	}
	f.compare(w, results)
}

func printResult(w io.Writer, r *loadgen.Result) {
	how := fmt.Sprintf("%d clients, each asks when it has its answer", r.Clients)
	if r.Loop == "open" {
		how = fmt.Sprintf("%.0f questions a second, latencies from when each was due", r.Offered)
	}
	fmt.Fprintf(w, "%s at %s: %s, %.1f s\n\n", r.Model, r.Target, how, r.Seconds)
	fmt.Fprintf(w, "  %.0f answers/s, %d in all, %d failed\n", r.Rate, r.Answers, r.Failed)
	for _, text := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(w, "    %6d × %s\n", r.Errors[text], text)
	}
	l := r.Latency
	fmt.Fprintf(w, "  p50 %s   p90 %s   p99 %s   p99.9 %s   max %s   mean %s\n\n", short(l.P50), short(l.P90), short(l.P99), short(l.P999), short(l.Max), short(l.Mean))
	drawHistogram(w, r.Histogram)
	printPath(w, r)
	for _, f := range r.Findings {
		fmt.Fprintf(w, "• %s\n", f.What)
		if f.Do != "" {
			fmt.Fprintf(w, "  → %s\n", f.Do)
		}
	}
}

// barWidth is what is left of 80 columns beside the numbers.
const barWidth = 48

// drawHistogram draws a bar for each range of latencies. A range that has any gets at least a sliver.
func drawHistogram(w io.Writer, bars []loadgen.Bar) {
	var most uint64
	for _, b := range bars {
		most = max(most, b.Count)
	}
	eighths := []rune(" ▏▎▍▌▋▊▉")
	for _, b := range bars {
		length := 0
		if b.Count > 0 {
			length = max(1, int(float64(b.Count)/float64(most)*barWidth*8))
		}
		bar := strings.Repeat("█", length/8)
		if rest := length % 8; rest > 0 {
			bar += string(eighths[rest])
		}
		fmt.Fprintf(w, "  %8s │%-*s %d\n", short(b.From), barWidth, bar, b.Count)
	}
	fmt.Fprintln(w)
}

// printPath draws where a request's time went.
func printPath(w io.Writer, r *loadgen.Result) {
	type part struct {
		name string
		took time.Duration
	}
	var parts []part
	if p := r.Path; p != nil {
		parts = append(parts, part{"client ↔ gateway", p.Network}, part{"gateway", p.Gateway}, part{"gateway ↔ node", p.Hop})
	}
	if s := r.Server; s != nil {
		if r.Path == nil {
			parts = append(parts, part{"outside of the node", max(r.Latency.Mean-s.Total, 0)})
		}
		parts = append(parts, part{"node: queue", s.Queue}, part{"node: input", s.Input}, part{"node: infer", s.Infer}, part{"node: output", s.Output})
	}
	if len(parts) == 0 {
		return
	}
	fmt.Fprintln(w, "  where a request's time went, on average:")
	for _, p := range parts {
		share := float64(p.took) / float64(max(r.Latency.Mean, 1))
		fmt.Fprintf(w, "  %19s │%-*s %s\n", p.name, barWidth/2, strings.Repeat("█", min(int(share*barWidth/2+0.5), barWidth/2)), short(p.took))
	}
	if s := r.Server; s != nil && s.Batch > 0 {
		fmt.Fprintf(w, "  %19s  runs of %.1f rows, requests of %.1f\n", "", s.Batch, s.Rows)
	}
	fmt.Fprintln(w)
}

// compare prints the medians of each target's rounds, and the ratio of the first to the second.
func (f *benchFlags) compare(w io.Writer, results []*loadgen.Result) {
	of := func(target int, get func(*loadgen.Result) float64) float64 {
		var all []float64
		for i, r := range results {
			if i%2 == target {
				all = append(all, get(r))
			}
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	fmt.Fprintf(w, "%s, medians of %d rounds in turn\n\n  %-14s %14s %14s %9s\n", f.config.Model, f.rounds, "", "A", "B", "A/B")
	row := func(name string, format func(float64) string, get func(*loadgen.Result) float64) {
		a, b := of(0, get), of(1, get)
		fmt.Fprintf(w, "  %-14s %14s %14s %9s\n", name, format(a), format(b), ratio(a, b))
	}
	number := func(v float64) string { return fmt.Sprintf("%.0f", v) }
	span := func(v float64) string { return short(time.Duration(v)) }
	row("answers/s", number, func(r *loadgen.Result) float64 { return r.Rate })
	row("p50", span, func(r *loadgen.Result) float64 { return float64(r.Latency.P50) })
	row("p90", span, func(r *loadgen.Result) float64 { return float64(r.Latency.P90) })
	row("p99", span, func(r *loadgen.Result) float64 { return float64(r.Latency.P99) })
	row("p99.9", span, func(r *loadgen.Result) float64 { return float64(r.Latency.P999) })
	row("failed", number, func(r *loadgen.Result) float64 { return float64(r.Failed) })
	fmt.Fprintf(w, "\n  A is %s\n  B is %s\n", f.config.Target, f.against)
}

func ratio(a, b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// short is a duration with three digits, which is what a measurement has.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d >= 10*time.Microsecond:
		return d.Round(100 * time.Nanosecond).String()
	}
	return d.String()
}
