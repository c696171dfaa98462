//go:build linux

// Faults breaks nodes under load and measures what clients notice: real gateway and node processes, a steady open loop of
// requests, and one fault after the other, from SIGKILL to packets that vanish. Then it repeats the tests that HAZARDS of
// other systems are known from, with nginx and HAProxy in the same run where they are installed, and prints figures beside
// goals.
//
//	go run ./e2e/faults                        everything, in nine to ten minutes; docs/faults.md says how to read it
//	go run ./e2e/faults --only kill,freeze     some of it
//	go run ./e2e/faults --quick                short stretches: does everything work?
//	go run ./e2e/faults --write docs/faults.md put the tables there
//
// It owns the processes that it starts, a model repository in a temporary folder and, where the system lets it make one, a
// network namespace with a loopback of its own, so that neither packets it drops nor ports it takes are anybody else's. It
// refuses to report faults that it could not inject: it names them. The exit status is 1 when a goal was missed.
//
// One goroutine drives; each process, the load and whoever watches the gateway have theirs, which end with the fault.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ganglion/bench/harness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := isolated(ctx)
	if code < 0 {
		code, err = 0, run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "faults:", err)
		code = 1
	}
	os.Exit(code)
}

// options are the flags.
type options struct {
	bin     string
	only    []string
	carrier []string
	quick   bool
	rate    float64
	json    string
	write   string
	out     string
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("faults", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.bin, "bin", "bin", "the folder with gateway, backend and lib, as `make build` leaves it")
	only := fs.String("only", "", "faults and tests to run, with commas between: "+strings.Join(names(), ","))
	carrier := fs.String("carrier", "", "how the gateway reaches nodes, with commas between: hop,http,grpc; all faults run with each (default: all with the hop, the main ones with the others)")
	fs.BoolVar(&o.quick, "quick", false, "short stretches: to see that everything works")
	fs.Float64Var(&o.rate, "rate", 0, "requests a second; 0 = 60 % of what the nodes can do, which is measured first")
	fs.StringVar(&o.json, "json", "", "also write all figures to this `file`")
	fs.StringVar(&o.write, "write", "", "also put the tables into this `file`, between its markers")
	fs.StringVar(&o.out, "log", "", "also write what all processes say to this `file`")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	if *carrier != "" {
		o.carrier = strings.Split(*carrier, ",")
	}
	return o, o.check(fs.Args())
}

func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: only flags are accepted", rest[0])
	}
	if o.rate < 0 || o.rate > 50000 {
		return fmt.Errorf("--rate %g: 0 to 50000 are accepted", o.rate)
	}
	if err := harness.CheckNames("only", o.only, names()); err != nil {
		return err
	}
	return harness.CheckNames("carrier", o.carrier, carriers)
}

// wants reports whether the fault or test of that name is to be run.
func (o *options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

// run measures and prints the tables to stdout, progress to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ganglion-faults-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t := &trial{options: o, dir: dir, progress: stderr, report: newReport()}
	if o.out != "" {
		f, err := os.Create(filepath.Clean(o.out))
		if err != nil {
			return err
		}
		defer f.Close()
		t.log = f
	}
	if err := t.all(ctx); err != nil {
		return err
	}
	return t.publish(stdout)
}

// publish prints the report, and writes it where the flags say.
func (t *trial) publish(stdout io.Writer) error {
	r := t.report
	r.end()
	text := r.text()
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	if t.options.json != "" {
		if err := harness.WriteJSON(filepath.Clean(t.options.json), r); err != nil {
			return err
		}
	}
	if t.options.write != "" {
		if err := harness.WriteBetween(filepath.Clean(t.options.write), "e2e-faults", text); err != nil {
			return err
		}
	}
	if met, all := r.goals(); met < all {
		return fmt.Errorf("%d of %d goals are missed", all-met, all)
	}
	return nil
}
