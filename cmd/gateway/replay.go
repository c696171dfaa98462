package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"ganglion/balancer"
	"ganglion/balancer/replay"
	"ganglion/internal/cmdline"
)

const replayUsage = `gateway replay feeds the requests of a recording to other policies, offline, and prints what they would have made of them.

usage: gateway replay [flags] FILE     FILE is of gateway record; "-" is standard input

  --policy NAME       may be repeated (default: all of them)
  --pool NAME         which pool of the recording, if it has several
  --seed N            the number that all chance comes from (default 1)
  --json              print JSON

Nodes are as the recording shows them: so many requests at a time, each of which takes what it took, less what it seems to have
waited. "replayed" is the recorded policy on these nodes: how far it is from "recorded" is how far to trust the rest. Batches
do not change with who is in them, other gateways' traffic is not in it, every attempt succeeds, and clients come when they came.
`

// replayFlags are the command line of gateway replay.
type replayFlags struct {
	file, pool string
	policies   []string
	seed       uint64
	json       bool
}

// replayTrace is `gateway replay`.
func replayTrace(args []string, stdout, stderr io.Writer) error {
	f, err := parseReplay(args, stdout)
	if err != nil {
		return cmdline.UnlessHelp(err)
	}
	trace, err := readTrace(f.file)
	if err != nil {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	if !trace.Complete {
		fmt.Fprintln(stderr, "warning: the recording was cut off: it has no last line")
	}
	if dropped := trace.Footer.Dropped; dropped > 0 {
		fmt.Fprintf(stderr, "warning: %d decisions were dropped while it was recorded, %d are there\n", dropped, len(trace.Decisions))
	}
	c, err := replay.Run(trace, f.pool, f.policies, f.seed)
	if err != nil {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	if f.json {
		return printJSON(stdout, c)
	}
	return printComparison(stdout, c)
}

func parseReplay(args []string, stdout io.Writer) (*replayFlags, error) {
	f := &replayFlags{}
	line := newCommand("replay", replayUsage)
	line.StringVar(&f.pool, "pool", "", "")
	line.Uint64Var(&f.seed, "seed", 1, "")
	line.BoolVar(&f.json, "json", false, "")
	line.Func("policy", "", func(name string) error {
		if !slices.Contains(balancer.Policies(), name) {
			return fmt.Errorf("accepted are %s", strings.Join(balancer.Policies(), ", "))
		}
		f.policies = append(f.policies, name)
		return nil
	})
	files, err := line.Read(args, stdout)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, line.Misused("one FILE is wanted, there are %d", len(files))
	}
	f.file = files[0]
	if len(f.policies) == 0 {
		f.policies = balancer.Policies()
	}
	return f, nil
}

func readTrace(file string) (*replay.Trace, error) {
	if file == "-" {
		return replay.Read(os.Stdin)
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return replay.Read(in)
}

// printComparison prints the results side by side, and the share of each node under each of them.
func printComparison(w io.Writer, c *replay.Comparison) error {
	results := append([]replay.Result{c.Recorded, c.Replayed}, c.Others...)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "pool %s, %d attempts\n\n", c.Pool, c.Recorded.Requests)
	fmt.Fprintln(t, "p50 ms\tp99 ms\tmean ms\tunserved\t  policy")
	for i, r := range results {
		name := r.Policy
		switch i {
		case 0:
			name += ", recorded"
		case 1:
			name += ", replayed"
		}
		fmt.Fprintf(t, "%.2f\t%.2f\t%.2f\t%d\t  %s\n", r.P50, r.P99, r.Mean, r.Unserved, name)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nshare of the attempts, in percent")
	printShares(t, results)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nnodes, as the recording shows them")
	fmt.Fprintln(t, "at a time\tmedian ms\t  node, model")
	for _, n := range c.Nodes {
		fmt.Fprintf(t, "%d\t%.2f\t  %s, %q\n", n.Width, n.Median, n.Node, n.Model)
	}
	return t.Flush()
}

func printShares(t io.Writer, results []replay.Result) {
	nodes := map[string]bool{}
	for i := range results {
		for node := range results[i].Shares {
			nodes[node] = true
		}
	}
	fmt.Fprint(t, "recorded\treplayed\t")
	for _, r := range results[2:] {
		fmt.Fprint(t, r.Policy, "\t")
	}
	fmt.Fprintln(t, "  node")
	for _, node := range slices.Sorted(maps.Keys(nodes)) {
		for i := range results {
			fmt.Fprintf(t, "%.1f\t", 100*results[i].Shares[node])
		}
		fmt.Fprintln(t, "  "+node)
	}
}
