//go:build linux

// Node measures what the node adds to the runs of its engine: CPU time a request, throughput of batches, time in the queue,
// and whether memory stays what it is; each beside its goal, in one run.
//
//	go run ./bench/node            about five minutes; bench/README.md says how to read it
//	go run ./bench/node --quick    one short round: does everything work?
//
// It owns the node, a process of its own on cores of its own; the repository in a temporary folder; the clients, on the other
// cores; and the bare loops that the node is held against, which run on the node's cores while the node has nothing to do. It
// refuses to go on when a request fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"ganglion/backend/onnx"
	"ganglion/bench/harness"
)

func main() { harness.Main("node", run) }

// options are the flags.
type options struct {
	backend, models, library, json string
	clients, rounds                int
	duration                       time.Duration
	requests, loads                int // of the measurements of memory
	quick                          bool
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("node", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.backend, "backend", "bin/backend", "the node, as `make build` leaves it")
	fs.StringVar(&o.models, "models", "models", "the demo models")
	fs.StringVar(&o.library, "library", "bin/lib/"+onnx.LibraryFile(), "the ONNX Runtime library")
	fs.StringVar(&o.json, "json", "", "also write the results to this `file`")
	fs.IntVar(&o.clients, "clients", 64, "clients that ask at a time")
	fs.IntVar(&o.rounds, "rounds", 5, "`times` that each case is measured; medians are reported")
	fs.DurationVar(&o.duration, "duration", 4*time.Second, "length of a measurement")
	fs.IntVar(&o.requests, "requests", 1_000_000, "requests after which memory is to be what it was; 0 leaves that out")
	fs.IntVar(&o.loads, "loads", 1000, "loads and unloads of a model after which memory is to be what it was; 0 leaves that out")
	fs.BoolVar(&o.quick, "quick", false, "one short round of everything, whose figures mean nothing")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if o.quick {
		o.rounds, o.duration, o.requests, o.loads = 1, 500*time.Millisecond, 20_000, 50
	}
	var err error
	o.library, err = filepath.Abs(o.library)
	return o, err
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	b := &bench{options: o, progress: stderr}
	if b.cores, err = splitCores(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "bench-node-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := b.makeRepository(folder); err != nil {
		return err
	}
	bare, err := newBareLoops(o.library, folder, b.cores.node)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.close()) }() // which may be over before
	if b.node, err = startNode(o, folder, b.cores.node); err != nil {
		return err
	}
	defer b.node.Stop()
	b.bare = bare
	if err := keepTo(b.cores.clients); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.report.print(stdout)
	if o.json != "" {
		return b.report.write(o.json)
	}
	return nil
}

// bench is one run of everything.
type bench struct {
	*options
	progress io.Writer
	cores    cores
	node     *node
	bare     *bareLoops
	report   report
}

// measure goes through all cases.
func (b *bench) measure(ctx context.Context) error {
	b.report.begin(b)
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"CPU time of small requests", b.measureCost},
		{"batches of a large model", b.measureBatches},
		{"memory under requests", b.measureRequests},
		{"memory under loads and unloads", b.measureLoads},
		{"iris without a network", b.measureInside},
	} {
		fmt.Fprintln(b.progress, "measuring:", part.name)
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}
