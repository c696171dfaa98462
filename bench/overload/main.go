//go:build linux

// Overload measures what is left of a node's capacity when clients want more: how many answers come in time, how quickly
// the others are refused, and what happens when no node is left, for our gateway beside HAProxy and nginx, all in one run on
// this machine.
//
//	go run ./bench/overload                              seven minutes; docs/overload.md has the figures and says how to read them
//	go run ./bench/overload --quick                      short runs: does everything work?
//	go run ./bench/overload --write docs/overload.md     put the tables there
//
// It owns the processes it starts and their configuration in a temporary folder, the nodes, which are its own, and the
// load: requests that are due at a fixed rate, whether or not earlier ones are answered, each from a client that waits a
// second and tells nobody. One goroutine drives; each request has one, and each process one that waits for it.
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

func main() { harness.Main("overload", run) }

// options are the flags.
type options struct {
	gateway  string
	duration time.Duration
	tries    int
	only     []string
	json     string
	write    string
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("overload", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.gateway, "gateway", "bin/gateway", "our binary, as `make build` leaves it")
	fs.DurationVar(&o.duration, "duration", 10*time.Second, "of one measurement")
	fs.IntVar(&o.tries, "tries", 3, "`times` that a load is offered when the machine was too busy to offer it evenly")
	only := fs.String("only", "", "`systems` to measure, with commas between: "+strings.Join(systemNames(), ","))
	fs.StringVar(&o.json, "json", "", "also write every measurement to this `file`")
	fs.StringVar(&o.write, "write", "", "also put the tables into this `file`, between its markers")
	quick := fs.Bool("quick", false, "runs of two seconds: to see that everything works")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if *quick {
		o.duration = 2 * time.Second
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
	case o.tries < 1:
		return fmt.Errorf("--tries %d: 1 or more are accepted", o.tries)
	case o.duration < time.Second || o.duration > time.Hour:
		return fmt.Errorf("--duration %s: 1s to 1h are accepted", o.duration)
	}
	return harness.CheckNames("only", o.only, systemNames())
}

// loads are what is offered, as multiples of the capacity.
var loads = [...]float64{0.5, 1, 2, 10} // read-only

// run measures and prints the tables to stdout, progress to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ganglion-overload-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir, progress: stderr}
	r := newReport(o)
	if err := b.calibrate(ctx, r); err != nil {
		return err
	}
	for _, s := range o.systems() {
		if err := b.measure(ctx, s, r); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	for _, s := range o.systems() {
		if s.tool == "" || s.name == "ganglion-enforce" || s.name == "haproxy-deny" {
			continue // nothing that the outage would show beside the others
		}
		if err := b.outage(ctx, s, r); err != nil {
			return fmt.Errorf("%s without nodes: %w", s.title, err)
		}
	}
	r.end()
	return o.publish(r, stdout)
}

// publish prints the report, and writes it where the flags say.
func (o *options) publish(r *report, stdout io.Writer) error {
	text := r.text()
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	if o.json != "" {
		if err := harness.WriteJSON(filepath.Clean(o.json), r); err != nil {
			return err
		}
	}
	if o.write == "" {
		return nil
	}
	return harness.WriteBetween(filepath.Clean(o.write), "bench-overload", text)
}
