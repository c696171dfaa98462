// Command gateway is the inference edge: it puts one URL in front of many nodes.
//
// It owns flags, the two listeners and the signals; everything else is in the packages it wires together. It refuses
// to start with a configuration that has a problem. SIGTERM and Ctrl-C drain, a second one ends the process at once, and
// SIGHUP reopens the access log.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"ganglion/internal/cmdline"
)

// version is set by the linker.
var version = "devel"

const usage = `gateway puts one URL in front of many inference nodes.

usage:
  gateway run                       serve until SIGTERM or Ctrl-C
  gateway validate                  check the configuration; exit 1 when it cannot be used
  gateway status                    what a running gateway knows of its pools, nodes and routes
  gateway reload                    have a running gateway read its file again; exit 1 when it is refused
  gateway drain NODE                no new requests for a node, so that it can be stopped
  gateway explain --model NAME      what would be done with a request, and why
  gateway record                    write what a running gateway's pools decide
  gateway replay FILE               what other policies make of a recording
  gateway bench --model NAME URL    measure how a server answers
  gateway version                   print the version
  gateway help                      print this; "gateway drain -h" explains a command and its flags

The configuration is gateway.toml in the current directory unless --config names another file.
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

// errSaid ends a command that has printed what is wrong.
var errSaid = errors.New("already said")

// exitCode follows the custom of the flag package: 2 for the command line, 1 for everything else.
func exitCode(err error) int {
	if errors.Is(err, cmdline.ErrMisused) {
		return 2
	}
	return 1
}

// run is the program without its process: it returns when the command is done or ctx has ended and all is stopped.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return cmdline.Misused(errors.New("no command"), "gateway help")
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
		return cmdline.Misused(fmt.Errorf("unknown command %q", command), "gateway help")
	}
}

// newCommand is a command of this program.
func newCommand(name, help string) *cmdline.Command { return cmdline.New("gateway", name, help) }

// printJSON prints a command's answer for scripts.
func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
