// Command pick measures what it costs to pick a node, and of that to choose it, under every policy, from one core and from all
// at once, beside the goals that the project has set itself for choosing: 100 ns among 16 nodes and 300 ns among 1,000, without
// an allocation.
//
// It owns its pools and its figures and starts nothing but the goroutines that pick: no server, no network, no probes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"ganglion/balancer"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "pick:", err)
		os.Exit(1)
	}
}

// goals are, in nanoseconds, what choosing among so many nodes may take.
var goals = map[int]float64{16: 100, 1000: 300}

// sizes are those of the pools. Among one there is nothing to choose: what that takes is the clock, the lease and the books, and
// what a pick among more takes beyond it is choosing.
var sizes = []int{1, 2, 16, 64, 1000}

// policies are measured in this order.
var policies = []string{
	balancer.RoundRobin, balancer.Weighted, balancer.LeastConnections, balancer.LeastLoad, balancer.PeakEWMA, balancer.ConsistentHash,
}

// run does one benchmark.
func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("pick", flag.ContinueOnError)
	rounds := flags.Int("rounds", 4000, "how often each core picks 64 times; the figures are those of the quickest twentieth of such `rounds`")
	only := flags.String("only", "", "measure those policies only that have this `text` in their name")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 10 {
		return fmt.Errorf("--rounds %d: accepted are 10 and more", *rounds)
	}
	cores := runtime.GOMAXPROCS(0)
	fmt.Fprintf(stdout, "%d cores, %s; nanoseconds, the quickest twentieth of %d rounds\n\n", cores, runtime.Version(), *rounds)
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "policy\tnodes\tpick\tfrom %d cores\tchoosing\tfrom %d cores\tgoal\tallocations\tdone\tfrom %d cores\n", cores, cores, cores)
	for _, policy := range policies {
		if !strings.Contains(policy, *only) {
			continue
		}
		var fixed [2]float64
		for _, n := range sizes {
			one, err := measure(policy, n, 1, *rounds)
			if err != nil {
				return err
			}
			all, err := measure(policy, n, cores, *rounds)
			if err != nil {
				return err
			}
			if n == 1 {
				fixed = [2]float64{one.pick, all.pick}
			}
			choosing := [2]float64{max(0, one.pick-fixed[0]), max(0, all.pick-fixed[1])}
			fmt.Fprintf(t, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t%s\t%.2f\t%.0f\t%.0f\n", policy, n, one.pick, all.pick,
				choosing[0], choosing[1], met(n, choosing), max(one.allocations, all.allocations), one.done, all.done)
		}
	}
	return t.Flush()
}

// met says whether the figures, of one core and of all, reach the goal for so many nodes.
func met(nodes int, choosing [2]float64) string {
	goal, ok := goals[nodes]
	switch {
	case !ok:
		return ""
	case choosing[0] < goal && choosing[1] < goal:
		return fmt.Sprintf("%.0f: met", goal)
	case choosing[0] < goal:
		return fmt.Sprintf("%.0f: met by one core", goal)
	}
	return fmt.Sprintf("%.0f: MISSED", goal)
}
