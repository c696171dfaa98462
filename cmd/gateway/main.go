// Command gateway is the inference edge: it puts one URL in front of many nodes.
//
// It owns flags, the two listeners and the signals; everything else is in the packages it wires together. It refuses
// to start with a configuration that has a problem. SIGTERM and Ctrl-C drain, a second one ends the process at once, and
// SIGHUP reopens the access log.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// version is set by the linker.
var version = "devel"

const usage = `gateway puts one URL in front of many inference nodes.

usage:
  gateway run      [--config FILE]           serve until SIGTERM or Ctrl-C
  gateway validate [--config FILE] [--json]  check the file; exit 1 when it cannot be used. --resolve also looks at
                                             where nodes come from, in DNS or files, and warns of what has none
  gateway status   [--pool NAME] [--json]    what a running gateway knows of its pools, nodes and routes; see --help
  gateway reload                             have a running gateway read its file again; exit 1 when it is refused
  gateway drain    NODE [--wait] [--undo]    no new requests for a node, so that it can be stopped; see --help
  gateway explain  --model NAME              what would be done with a request, and why; see gateway explain --help
  gateway record   [--for D]                 write what a running gateway's pools decide; see gateway record --help
  gateway replay   FILE                      what other policies make of a recording; see gateway replay --help
  gateway bench    --model NAME URL          measure how a server answers; see gateway bench --help
  gateway version                            print the version
  gateway help                               print this

FILE is gateway.toml in the current directory unless given. A running gateway reads it again when told to.

signals of a running gateway:
  SIGTERM, Ctrl-C  finish what is in flight, then end; a second one cuts it and exits 1
  SIGHUP           reopen the access log, once it has been renamed, and read the file again, as gateway reload does
`

func main() {
	err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(os.Stderr, "gateway: "+err.Error())
	}
	os.Exit(exitCode(err))
}

// Errors that decide the exit code.
var (
	errSaid  = errors.New("already said")       // the command printed what is wrong
	errUsage = errors.New("see `gateway help`") // the command line is at fault
)

// exitCode follows the custom of the flag package: 2 for the command line, 1 for everything else.
func exitCode(err error) int {
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// run is the program without its process: it returns when the command is done or ctx has ended and all is stopped.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return fmt.Errorf("no command: %w", errUsage)
	}
	switch command, args := args[0], args[1:]; command {
	case "run":
		return serve(ctx, args, stdout, stderr)
	case "validate":
		return validate(ctx, args, stdout, stderr)
	case "status":
		return status(ctx, args, stdout)
	case "reload":
		return reload(ctx, args, stdout, stderr)
	case "drain":
		return drain(ctx, args, stdout)
	case "explain":
		return explain(ctx, args, stdout, stderr)
	case "record":
		return record(ctx, args, stdout)
	case "replay":
		return replayTrace(args, stdout, stderr)
	case "bench":
		return bench(ctx, args, stdout, stderr)
	case "version", "--version", "-version":
		fmt.Fprintln(stdout, "gateway "+version)
		return nil
	case "help", "--help", "-help", "-h":
		fmt.Fprint(stdout, usage)
		return nil
	default:
		return fmt.Errorf("unknown command %q: %w", command, errUsage)
	}
}

// parse reads a command's flags. It returns flag.ErrHelp when help was asked for and given; see unlessHelp.
func parse(flags *flag.FlagSet, args []string, stdout io.Writer) error {
	flags.SetOutput(io.Discard) // errors are returned, help goes where answers go
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return err
	case err != nil:
		return fmt.Errorf("%s: %w: %w", flags.Name(), err, errUsage)
	case flags.NArg() > 0:
		return fmt.Errorf("%s: unexpected argument %q: %w", flags.Name(), flags.Arg(0), errUsage)
	}
	return nil
}
