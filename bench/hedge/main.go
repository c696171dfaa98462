// Hedge measures what second attempts make of a tail: how long the slowest requests take while a node stalls now and then,
// without hedging and with it, and what it costs in attempts. The gateway is the product's own, in this process; the nodes
// are made up and only wait, so that a laptop has enough of them.
//
//	go run ./bench/hedge            two minutes
//	go run ./bench/hedge --quick    short runs: does everything work?
//
// Load is an open loop: requests are due at a fixed rate, whether or not earlier ones are answered. One goroutine drives; what
// it starts it stops and waits for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/bench/harness"
	"ganglion/bench/inprocess"
	"ganglion/internal/loadgen"
)

func main() { harness.Main("hedge", run) }

// options are the flags.
type options struct {
	duration time.Duration
	rate     float64
	nodes    int
}

func run(ctx context.Context, args []string, stdout, _ io.Writer) error {
	var o options
	fs := flag.NewFlagSet("hedge", flag.ContinueOnError)
	fs.DurationVar(&o.duration, "duration", 15*time.Second, "of one measurement")
	fs.Float64Var(&o.rate, "rate", 80, "requests a second")
	fs.IntVar(&o.nodes, "nodes", 4, "nodes in the pool")
	only := fs.String("only", "", "measure what has these `words` in its name")
	quick := fs.Bool("quick", false, "runs of two seconds: to see that everything works")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *quick {
		o.duration = 2 * time.Second
	}
	out := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(stdout, "%d nodes that take %s, %g requests/s, %s each\n\n", o.nodes, usual, o.rate, o.duration)
	fmt.Fprintln(out, "what happens\thedging\tp50\tp95\tp99\tp99.9\tslowest\tattempts for 100 requests\thedges\twon\tdenied\tfailed")
	for _, f := range faults() {
		if !strings.Contains(f.name, *only) {
			continue
		}
		for _, hedging := range []bool{false, true} {
			m, err := measure(ctx, o, f, hedging)
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			m.print(out, f.name, hedging)
		}
	}
	return out.Flush()
}

// measured is one row.
type measured struct {
	latency             loadgen.Latency
	answers, failed     uint64
	asked               int64   // attempts that reached nodes
	first               float64 // of them, the first ones of their requests
	hedges, won, denied float64
}

func (m *measured) print(w io.Writer, name string, hedging bool) {
	word := "off"
	if hedging {
		word = "on"
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
	l := m.latency
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f\t%.0f\t%.0f\t%.0f\t%d\n", name, word, ms(l.P50), ms(l.P95), ms(l.P99), ms(l.P999), ms(l.Max),
		100*float64(m.asked)/m.first, m.hedges, m.won, m.denied, m.failed)
}

// measure runs a gateway in front of fresh nodes and asks it.
func measure(ctx context.Context, o options, f fault, hedging bool) (m *measured, err error) {
	nodes, stop, err := startNodes(o.nodes, f)
	if err != nil {
		return nil, err
	}
	defer stop()
	registry := prometheus.NewRegistry()
	address, end, err := startGateway(ctx, nodes, hedging, registry)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	const warmup = 3 * time.Second // beyond the hundred attempts that a hedge's time rests on
	result, err := loadgen.Run(ctx, loadgen.Config{
		Target: "http://" + address, Model: "m", Clients: 512, Rate: o.rate, Warmup: warmup, Duration: o.duration,
		Timeout: 10 * time.Second, Questions: 1, Batch: 1,
	})
	if err != nil {
		return nil, err
	}
	m = &measured{latency: result.Latency, answers: result.Answers, failed: result.Failed}
	for _, n := range nodes {
		m.asked += n.asked.Load()
	}
	m.first = float64(m.asked) - count(registry, "ganglion_hedges_total") - count(registry, "ganglion_retries_total")
	m.hedges, m.won = count(registry, "ganglion_hedges_total"), count(registry, "ganglion_hedges_won_total")
	m.denied = count(registry, "ganglion_hedges_denied_total")
	return m, nil
}

// startGateway runs a gateway until end is called.
func startGateway(ctx context.Context, nodes []*node, hedging bool, registry *prometheus.Registry) (address string, end func() error, err error) {
	var list []string
	for _, n := range nodes {
		list = append(list, fmt.Sprintf("{ address = %q }", n.address))
	}
	config := "[pools.main]\nnodes = [" + strings.Join(list, ", ") + "]\n[routes.m]\npool = \"main\"\n"
	if hedging {
		config += "[pools.main.hedge]\n"
	}
	return inprocess.Start(ctx, config, registry)
}

// count sums the series of a counter.
func count(registry *prometheus.Registry, name string) (sum float64) {
	families, err := registry.Gather()
	if err != nil {
		return -1
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
