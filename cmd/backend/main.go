// Command backend is a node: it serves the models of a folder over the Open Inference Protocol.
//
// It owns flags, the listener, the signals and the choice of the engine; everything else is in the packages it wires
// together. It refuses to start without the ONNX Runtime library or with a device that is not there; a model that cannot
// be loaded does not keep it from starting. SIGTERM and Ctrl-C drain; a second one ends the process at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "devel"

const usage = `backend serves the ONNX models of a folder over the Open Inference Protocol.

usage:
  backend serve [flags]   serve until SIGTERM or Ctrl-C
  backend version         print the version
  backend help            print this; "backend serve --help" lists the flags
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once the first signal has begun the drain, a second one finds its default again and ends the process.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "backend: "+err.Error())
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

// errUsage marks a command line that is at fault: exit code 2, as the flag package has it.
var errUsage = errors.New("see `backend help`")

// run is the program without its process: it returns when the command is done, or when ctx has ended and all is stopped.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return fmt.Errorf("no command: %w", errUsage)
	}
	switch command, args := args[0], args[1:]; command {
	case "serve":
		return serve(ctx, args, stdout, stderr)
	case "version", "--version", "-version":
		fmt.Fprintln(stdout, "backend "+version)
		return nil
	case "help", "--help", "-help", "-h":
		fmt.Fprint(stdout, usage)
		return nil
	default:
		return fmt.Errorf("unknown command %q: %w", command, errUsage)
	}
}
