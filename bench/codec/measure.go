package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"ganglion/bench/harness"
)

// task is one thing to do, ours and, where there is such a thing, encoding/json's.
type task struct {
	name   string
	goal   goal
	ours   func() error
	theirs func() error // nil = nothing to compare with
}

// goal is what the project wants of a task: so many times the speed of encoding/json, or at most so much CPU time.
type goal struct {
	times float64
	most  time.Duration
}

func (g goal) String() string {
	switch {
	case g.times > 0:
		return fmt.Sprintf("%g × encoding/json", g.times)
	case g.most > 0:
		return "under " + g.most.String()
	default:
		return ""
	}
}

// result is what came out for one task, one figure for each round.
type result struct {
	Task   string    `json:"task"`
	Goal   string    `json:"goal,omitempty"`
	Ours   []float64 `json:"ours_ns"`                    // CPU time of the process for one time, its garbage collection included
	Theirs []float64 `json:"encoding_json_ns,omitempty"` // the same for encoding/json
	Ratio  []float64 `json:"ratio,omitempty"`            // of the two, taken one right after the other
	Bytes  []float64 `json:"allocated_bytes"`            // by ours for one time

	goal goal
}

// measure adds a round.
func (r *result) measure(t *task, d time.Duration) error {
	ns, bytes, err := cost(t.ours, d)
	if err != nil {
		return err
	}
	r.Ours, r.Bytes = append(r.Ours, ns), append(r.Bytes, bytes)
	if t.theirs == nil {
		return nil
	}
	theirs, _, err := cost(t.theirs, d)
	if err != nil {
		return err
	}
	r.Theirs, r.Ratio = append(r.Theirs, theirs), append(r.Ratio, theirs/ns)
	return nil
}

// cost does f again and again until that has taken d of CPU time, and returns the CPU time and the allocated bytes of one
// time.
func cost(f func() error, d time.Duration) (ns, bytes float64, err error) {
	if err := f(); err != nil { // what is allocated once is not counted
		return 0, 0, err
	}
	runtime.GC() // what others left is not ours to pay for
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	from := cpuTime()
	done, used := 0, time.Duration(0)
	for batch := 1; used < d; batch *= 2 {
		for range batch {
			if err := f(); err != nil {
				return 0, 0, err
			}
		}
		done += batch
		used = cpuTime() - from
	}
	runtime.ReadMemStats(&after)
	return float64(used.Nanoseconds()) / float64(done), float64(after.TotalAlloc-before.TotalAlloc) / float64(done), nil
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("BUG: " + err.Error()) // the arguments are constants
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report is all that a run found, and where.
type report struct {
	Machine string    `json:"machine"`
	Rounds  int       `json:"rounds"`
	Started time.Time `json:"started"`
	Results []result  `json:"results"`
}

// print writes the medians as a table, with the smallest and largest ratio.
func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %d rounds, medians; CPU time, garbage collection included\n\n", r.Machine, r.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tours\tencoding/json\tratio\tallocated\tgoal\tmet")
	for i := range r.Results {
		x := &r.Results[i]
		theirs, ratio := "", ""
		if len(x.Ratio) > 0 {
			theirs = span(harness.Median(x.Theirs))
			ratio = fmt.Sprintf("%.2f (%.2f to %.2f)", harness.Median(x.Ratio), slices.Min(x.Ratio), slices.Max(x.Ratio))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.0f B\t%s\t%s\n", x.Task, span(harness.Median(x.Ours)), theirs, ratio, harness.Median(x.Bytes), x.Goal, x.met())
	}
	return t.Flush()
}

// met says whether the median reaches the goal.
func (r *result) met() string {
	ok := false
	switch {
	case r.goal.times > 0:
		ok = harness.Median(r.Ratio) >= r.goal.times
	case r.goal.most > 0:
		ok = harness.Median(r.Ours) < float64(r.goal.most.Nanoseconds())
	default:
		return ""
	}
	if ok {
		return "yes"
	}
	return "NO"
}

// span renders nanoseconds.
func span(ns float64) string {
	d := time.Duration(ns)
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%.0f ns", ns)
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	default:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	}
}

// machineName is the processor and how many of its cores there are.
func machineName() string {
	return fmt.Sprintf("%s, %d cores, %s", harness.Processor(), runtime.NumCPU(), runtime.Version())
}
