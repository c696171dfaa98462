package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
	"time"

	"ganglion/balancer"
)

const (
	// realNodes is how many node processes stand behind the gateways.
	realNodes = 4
	// severalGateways is how many there are where there are several: as many as nodes, so that each gets few of a node's answers.
	severalGateways = 4
)

// realScenarios are those that are run against real nodes too. Requests take eight times as long as in the others, so that what a
// busy machine adds to them is small beside what policies do; loads are such that no policy's queue grows without end, since then
// order would be a matter of how long one waits.
func realScenarios() []scenario {
	serial := model{work: 40 * time.Millisecond, batch: 1, instances: 1}
	together := model{fixed: 64 * time.Millisecond, work: 8 * time.Millisecond, batch: 16, instances: 1}
	all := []scenario{
		{name: "equal", why: "equal nodes, requests alike, 80 % load", model: serial, load: fullLoad},
		{name: "uneven", why: "requests differ (exponential), 70 % load", model: serial, spread: exponential, load: 0.7},
		{name: "slow", why: "one node takes 1.6 times as long, 60 % load", model: serial, slow: 1.6, load: 0.6},
		{name: "mixed", why: "every second node is twice as fast, and no weight says so, 60 % load", model: serial, speeds: []float64{1, 2}, load: 0.6},
		{name: "batches", why: "nodes that batch up to 16, 80 % load", model: together, load: fullLoad},
		{name: "equal", why: "the first, behind several gateways", model: serial, load: fullLoad, gateways: severalGateways},
	}
	for i := range all {
		all[i].nodes, all[i].gateways = realNodes, max(all[i].gateways, 1)
		if all[i].gateways > 1 {
			all[i].told, all[i].declines = balancer.NewsPause(realNodes), balancer.DeclinesMost
		}
		all[i].name = fmt.Sprintf("%s, %d × %d", all[i].name, all[i].gateways, realNodes)
	}
	return all
}

// apart is by how much two figures of the simulation must differ to put their policies in an order: less is within what another
// seed does to them at so few requests.
const apart = 1.1

// ranked is one policy in one scenario, simulated and measured.
type ranked struct {
	policy          string
	simulated, real time.Duration // p99
	answers, failed int           // real ones
}

// runReal runs the same requests in the simulation and against real processes, and compares the order of the policies.
func runReal(opt *options, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	agree, pairs := 0, 0
	fmt.Fprintf(stdout, "%d node processes behind gateway processes for each policy; p99 in ms of the same requests for %s, simulated and measured\n", realNodes, opt.seconds)
	for _, s := range opt.scenarios {
		tell(stderr, "%s: %s", s.name, opt.seconds)
		requests := s.draw(opt.seed, max(100, int(s.rate()*opt.seconds.Seconds())))
		policies, err := simulateAll(&s, opt, requests)
		if err != nil {
			return err
		}
		if err := measureAll(ctx, &s, requests, policies, stderr); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		same, of := concord(policies)
		agree, pairs = agree+same, pairs+of
		if err := printRanked(stdout, &s, policies, same, of); err != nil {
			return err
		}
	}
	tell(stderr, "")
	fmt.Fprintf(stdout, "\nof %d pairs that the simulation tells apart by more than %.0f %%, %d are in the same order in reality\n", pairs, 100*(apart-1), agree)
	return nil
}

// simulateAll finds p99 of the requests under each policy.
func simulateAll(s *scenario, opt *options, requests []request) ([]ranked, error) {
	var all []ranked
	for _, policy := range opt.policies {
		sim, err := newSimulation(s, policy, opt.seed, requests)
		if err != nil {
			return nil, err
		}
		all = append(all, ranked{policy: policy, simulated: sim.run().quantile(0.99)})
	}
	return all, nil
}

// concord counts the pairs of policies that the simulation tells apart, and those of them whose order is the same in reality.
func concord(policies []ranked) (same, of int) {
	for i := range policies {
		for _, b := range policies[i+1:] {
			a := policies[i]
			ratio := float64(a.simulated) / float64(b.simulated)
			if math.Abs(math.Log(ratio)) < math.Log(apart) {
				continue
			}
			of++
			if (ratio > 1) == (a.real > b.real) {
				same++
			}
		}
	}
	return same, of
}

// printRanked prints a scenario's policies, best of the simulation first.
func printRanked(w io.Writer, s *scenario, policies []ranked, same, of int) error {
	slices.SortStableFunc(policies, func(a, b ranked) int { return int(a.simulated - b.simulated) })
	fmt.Fprintf(w, "\n%s: %s; %d of %d pairs in the same order\n", s.name, s.why, same, of)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "simulated\tmeasured\tanswers\tfailed\t  policy")
	for _, p := range policies {
		fmt.Fprintf(t, "%.1f\t%.1f\t%d\t%d\t  %s\n", inMillis(p.simulated), inMillis(p.real), p.answers, p.failed, p.policy)
	}
	return t.Flush()
}
