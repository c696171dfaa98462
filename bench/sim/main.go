package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"ganglion/balancer"
	"ganglion/bench/harness"
)

func main() {
	if kind := os.Getenv(asChild); kind != "" {
		if err := beChild(kind, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintf(os.Stderr, "sim, as a %s: %v\n", kind, err)
			os.Exit(1)
		}
		return
	}
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

// policies are those that are compared, in the order of the columns.
var policies = []string{
	balancer.RoundRobin, balancer.Weighted, balancer.LeastConnections, balancer.LeastLoad, balancer.PeakEWMA, balancer.ConsistentHash,
}

// options are what the command line says.
type options struct {
	seed      uint64
	scale     float64
	policies  []string
	scenarios []scenario
	json, svg string
	real      bool
	limit     int
	told      time.Duration
	declines  int
	spared    bool
	seconds   time.Duration
}

// run does one benchmark.
func run(args []string, stdout, stderr io.Writer) error {
	opt, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if opt.real {
		return runReal(opt, stdout, stderr)
	}
	r := report{Seed: opt.seed, Scale: opt.scale, policies: opt.policies}
	began := time.Now()
	for i := range opt.scenarios {
		s := &opt.scenarios[i]
		tell(stderr, "%d of %d: %s", i+1, len(opt.scenarios), s.name)
		if err := r.simulate(s, opt); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	tell(stderr, "%d scenarios in %s\n", len(opt.scenarios), time.Since(began).Round(100*time.Millisecond))
	if err := r.print(stdout); err != nil {
		return err
	}
	if opt.svg != "" {
		if err := os.WriteFile(opt.svg, r.plot(), 0o644); err != nil {
			return err
		}
	}
	if opt.json != "" {
		return harness.WriteJSON(opt.json, r)
	}
	return nil
}

// tell writes over the progress line before.
func tell(w io.Writer, format string, args ...any) {
	const eraseLine = "\r\x1b[K"
	fmt.Fprintf(w, eraseLine+format, args...)
}

func parse(args []string, stderr io.Writer) (*options, error) {
	opt := &options{}
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&opt.seed, "seed", 1, "the `number` that all chance comes from: the same gives the same figures")
	flags.Float64Var(&opt.scale, "scale", 1, "simulate so many `times` the requests")
	only := flags.String("only", "", "simulate those scenarios only that have this `text` in their name, such as \"slow\" or \"8 × 64\"")
	names := flags.String("policies", strings.Join(policies, ","), "compare these `names` only, beside the ideal")
	flags.StringVar(&opt.json, "json", "", "`file` for the figures")
	flags.StringVar(&opt.svg, "svg", "", "`file` for the plot")
	flags.IntVar(&opt.limit, "limit", 0, "let a gateway have so `many` requests at a node at a time, in all scenarios; the others wait at the gateway")
	flags.DurationVar(&opt.told, "told", asItIs, "let nodes tell gateways of every change of their load, at most so `often`, in all scenarios; 0 = with answers only, and without this flag as our nodes do")
	flags.IntVar(&opt.declines, "declines", asItIs, fmt.Sprintf("let nodes decline up to so `many` attempts of each request, in all scenarios, 0 to %d; without this flag as our nodes do", balancer.DeclinesMost))
	flags.BoolVar(&opt.spared, "spared", false, "eject no outliers, in all scenarios")
	flags.BoolVar(&opt.real, "real", false, "run few scenarios in the simulation and against real node and gateway processes, and compare the order of the policies")
	flags.DurationVar(&opt.seconds, "for", 20*time.Second, "with --real: how `long` each scenario takes")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q: only flags are taken", flags.Arg(0))
	}
	if !(opt.scale > 0 && opt.scale <= 100) {
		return nil, fmt.Errorf("--scale %v: accepted is more than 0, up to 100", opt.scale)
	}
	if opt.seconds < time.Second || opt.seconds > 10*time.Minute {
		return nil, fmt.Errorf("--for %s: accepted is 1s to 10m", opt.seconds)
	}
	opt.policies = strings.Split(*names, ",")
	for _, name := range opt.policies {
		if !slices.Contains(policies, name) {
			return nil, fmt.Errorf("--policies %q: accepted are %s", name, strings.Join(policies, ", "))
		}
	}
	all := scenarios
	if opt.real {
		all = realScenarios
	}
	opt.scenarios = slices.DeleteFunc(all(), func(s scenario) bool { return !strings.Contains(s.name, *only) })
	if len(opt.scenarios) == 0 {
		return nil, fmt.Errorf("--only %q: no scenario has that in its name", *only)
	}
	return opt, opt.vary()
}

// asItIs leaves to scenarios how often nodes tell their load and decline.
const asItIs = -1

// vary makes the scenarios what the command line says of all of them.
func (opt *options) vary() error {
	if opt.limit < 0 || opt.told < 0 && opt.told != asItIs {
		return fmt.Errorf("--limit %d, --told %s: accepted are 0 and more", opt.limit, opt.told)
	}
	if opt.declines != asItIs && (opt.declines < 0 || opt.declines > balancer.DeclinesMost) {
		return fmt.Errorf("--declines %d: accepted are 0 to %d", opt.declines, balancer.DeclinesMost)
	}
	for i := range opt.scenarios {
		s := &opt.scenarios[i]
		if opt.declines != asItIs {
			s.declines = opt.declines
		}
		if opt.limit > 0 {
			s.limit = opt.limit
		}
		if opt.told != asItIs {
			s.told = opt.told
		}
		s.spared = s.spared || opt.spared
	}
	return nil
}
