package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ganglion/balancer"
)

// report is all that a run found.
type report struct {
	Seed    uint64   `json:"seed"`
	Scale   float64  `json:"scale"`
	Results []result `json:"results"`

	policies []string
}

// result is what came out for one policy in one scenario.
type result struct {
	Scenario string `json:"scenario"`
	Why      string `json:"why"`
	Nodes    int    `json:"nodes"`
	Gateways int    `json:"gateways"`
	Policy   string `json:"policy"`
	Requests int    `json:"requests"`
	Lost     int    `json:"lost"`
	P50      millis `json:"p50_ms"`
	P99      millis `json:"p99_ms"`
	// Over50 and Over99 are P50 and P99 as multiples of the ideal's.
	Over50 float64 `json:"p50_over_ideal"`
	Over99 float64 `json:"p99_over_ideal"`
	// Herd is the largest share of a node in any 100 ms, as a multiple of its fair share; 0 for the ideal, or where fair
	// shares are below so few requests that they say nothing.
	Herd float64 `json:"herd"`
	// Home is the part of requests that met the node that the request with the same key before them met.
	Home float64 `json:"home"`
	// Declines is how many attempts a request made that nodes declined, and Heard how many loads a second a gateway was told without an
	// answer.
	Declines float64   `json:"declines"`
	Heard    float64   `json:"heard_per_second"`
	Goals    []verdict `json:"goals,omitempty"`
}

// millis is a time in milliseconds.
type millis float64

func inMillis(d time.Duration) millis { return millis(d.Seconds() * 1000) }

// verdict is one goal and whether it is met.
type verdict struct {
	Goal string `json:"goal"`
	Met  bool   `json:"met"`
}

func (v verdict) String() string {
	if v.Met {
		return v.Goal + " met"
	}
	return v.Goal + " **missed**"
}

// simulate does one scenario under the ideal and under all policies.
func (r *report) simulate(s *scenario, opt *options) error {
	requests := s.draw(opt.seed, max(10, int(opt.scale*float64(s.requests))))
	var best result
	for _, policy := range append([]string{ideal}, opt.policies...) {
		sim, err := newSimulation(s, policy, opt.seed, requests)
		if err != nil {
			return err
		}
		f := sim.run()
		got := result{
			Scenario: s.name, Why: s.why, Nodes: s.nodes, Gateways: s.gateways, Policy: policy, Requests: len(requests), Lost: f.lost,
			P50: inMillis(f.quantile(0.5)), P99: inMillis(f.quantile(0.99)),
		}
		if policy == ideal {
			best = got
		} else {
			got.Herd, got.Home = f.herd.largest, f.home.share()
			got.Declines = float64(f.declines) / float64(len(requests))
			got.Heard = float64(f.heard) / sim.now.Seconds() / float64(s.gateways)
		}
		got.Over50, got.Over99 = float64(got.P50/best.P50), float64(got.P99/best.P99)
		got.judge()
		r.Results = append(r.Results, got)
	}
	return nil
}

// The project's goals for least_load: how much worse than the ideal its p99 may be, and how large a herd.
const (
	goalAlone    = 1.10 // with one gateway
	goalTogether = 1.20 // with up to eight
	together     = 8
	goalHerd     = 2.0
)

// goalFor is how much worse than the ideal p99 may be with so many gateways; 0 = nothing was said.
func goalFor(gateways int) float64 {
	switch {
	case gateways == 1:
		return goalAlone
	case gateways <= together:
		return goalTogether
	}
	return 0
}

// judge holds the default policy against the goals.
func (r *result) judge() {
	if r.Policy != balancer.LeastLoad {
		return
	}
	add := func(what string, value, most float64) {
		r.Goals = append(r.Goals, verdict{Goal: fmt.Sprintf("%s ≤ %.2f", what, most), Met: value <= most})
	}
	if goal := goalFor(r.Gateways); goal > 0 {
		add("p99", r.Over99, goal)
	}
	if r.Herd > 0 {
		add(fmt.Sprintf("herd %.2f", r.Herd), r.Herd, goalHerd)
	}
}

// print writes a block for each scenario, and then p99 and goals of all.
func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "%.0f %% load, seed %d; names are gateways × nodes; × is a multiple of the central queue's\n", 100*fullLoad, r.Seed)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i := range r.Results {
		x := &r.Results[i]
		if x.Policy == ideal {
			if err := t.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(w, "\n%s: %s\n", x.Scenario, x.Why)
			fmt.Fprintln(t, "p50 ms\tp99 ms\tp50 ×\tp99 ×\therd\thome\tdeclines\theard/s\tlost\t  policy")
		}
		fmt.Fprintf(t, "%.2f\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%d\t  %s\n", x.P50, x.P99.unless(x.grows()), times(x.Over50), times(x.Over99), times(x.Herd), percent(x), times(x.Declines), x.Heard, x.Lost, x.Policy)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	r.summary(w)
	return nil
}

// summary writes p99 as a multiple of the ideal's, a row for each scenario and a column for each policy, and the goals, as a
// Markdown table.
func (r *report) summary(w io.Writer) {
	fmt.Fprintf(w, "\n| p99 × | %s | goals for %s |\n|---|%s---|\n", strings.Join(r.policies, " | "), balancer.LeastLoad, strings.Repeat("---:|", len(r.policies)))
	met, goals := 0, 0
	for row := range slices.Chunk(r.Results, 1+len(r.policies)) {
		fmt.Fprintf(w, "| %s |", row[0].Scenario)
		var verdicts []string
		for i := range row[1:] {
			x := &row[1+i]
			fmt.Fprintf(w, " %s |", times(x.Over99))
			for _, v := range x.Goals {
				verdicts = append(verdicts, v.String())
				goals++
				if v.Met {
					met++
				}
			}
		}
		fmt.Fprintf(w, " %s |\n", strings.Join(verdicts, "; "))
	}
	fmt.Fprintf(w, "\n%d of %d goals met\n", met, goals)
}

// endless is how many times the ideal's p99 says that a node gets more than it can do: the longer the run, the longer its queue.
const endless = 100

func (r *result) grows() bool { return r.Over99 > endless }

// unless is m, or the word for a queue that grows without end.
func (m millis) unless(grows bool) string {
	if grows {
		return "grows"
	}
	return fmt.Sprintf("%.2f", m)
}

func times(x float64) string {
	switch {
	case x == 0:
		return "–"
	case x > endless:
		return fmt.Sprintf("> %d", endless)
	}
	return fmt.Sprintf("%.2f", x)
}

func percent(r *result) string {
	if r.Policy == ideal {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*r.Home)
}
