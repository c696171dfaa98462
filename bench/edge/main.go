//go:build linux

// Edge measures what a request costs at the edge: the CPU time that our gateway,
// nginx, HAProxy and Envoy spend on proxying one and on answering one from a
// cache, what latency they add, and what idle clients cost, all in one run on
// this machine, in turn, several rounds.
//
//	go run ./bench/edge            ten minutes; bench/README.md says how to read it
//	go run ./bench/edge --quick    one short round: does everything work?
//
// It owns the processes it starts (proxies, nodes, the load), their
// configuration in a temporary folder and their placement: the proxy alone on
// one core, everything else on the others. It refuses to report a run in which a
// request failed or was answered by something else than it should have been.
// One goroutine drives; each process has one more that waits for it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ganglion/bench/harness"
)

func main() { harness.Main("edge", run) }

// options are the flags.
type options struct {
	gateway  string
	envoy    string
	rounds   int
	duration time.Duration
	idle     int
	only     []string
	json     string
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("edge", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.gateway, "gateway", "bin/gateway", "our binary, as `make build` leaves it")
	fs.StringVar(&o.envoy, "envoy", ".tools/envoy", "the Python environment with Envoy, as bench/setup.sh leaves it")
	fs.IntVar(&o.rounds, "rounds", 5, "`times` that each case is measured; medians are reported")
	fs.DurationVar(&o.duration, "duration", 4*time.Second, "of one measurement, whole seconds")
	fs.IntVar(&o.idle, "idle", 10000, "idle keep-alive `clients` whose memory is measured; 0 = none")
	only := fs.String("only", "", "`systems` to measure, with commas between: "+strings.Join(systemNames(), ","))
	fs.StringVar(&o.json, "json", "", "also write every measurement to this `file`")
	quick := fs.Bool("quick", false, "one round of one second: to see that everything works")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if *quick {
		o.rounds, o.duration, o.idle = 1, time.Second, min(o.idle, 500)
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	return o, o.check(fs.Args())
}

// check refuses what cannot be measured.
func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: only flags are accepted", rest[0])
	case o.rounds < 1:
		return fmt.Errorf("--rounds %d: 1 or more are accepted", o.rounds)
	case o.idle < 0 || o.idle > 100000:
		return fmt.Errorf("--idle %d: 0 to 100000 are accepted", o.idle)
	case o.duration < time.Second || o.duration%time.Second != 0:
		return fmt.Errorf("--duration %s: wrk takes whole seconds", o.duration)
	}
	return harness.CheckNames("only", o.only, systemNames())
}

// run measures and prints the table to stdout, progress to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	tools, err := findTools(o)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ganglion-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, tools: tools, dir: dir, progress: stderr}
	if b.cores, err = splitCores(); err != nil {
		return err
	}
	if err := b.startNodes(ctx); err != nil {
		return err
	}
	defer b.nodes.Stop()
	r, err := b.measureAll(ctx)
	if err != nil {
		return err
	}
	if err := b.measureFixedRate(ctx, r); err != nil {
		return err
	}
	if err := b.measureIdle(ctx, r); err != nil {
		return err
	}
	r.Goals = r.judgeGoals()
	r.print(stdout)
	if o.json == "" {
		return nil
	}
	return harness.WriteJSON(filepath.Clean(o.json), r)
}
