// Command backend is a node: it serves the models of a folder over the Open Inference Protocol.
//
// It owns flags, the listener, the signals and the choice of the engine; everything else is in the packages it wires
// together. It refuses to start without the ONNX Runtime library or with a device that is not there; a model that cannot
// be loaded does not keep it from starting. SIGTERM and Ctrl-C drain, a second one ends the process at once, and SIGHUP is
// ignored: there is nothing to reopen.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"ganglion/internal/cmdline"
)

// version is set by the linker.
var version = "devel"

const usage = `backend serves the ONNX models of a folder over the Open Inference Protocol.

usage:
  backend serve [flags]           serve until SIGTERM or Ctrl-C
  backend inspect [flags] MODEL   say what a model is, and what would run it
  backend check [flags] [MODEL …] tell whether a repository is ready to be deployed
  backend version                 print the version
  backend help                    print this; "backend serve -h" explains a command and its flags

signals of a serving backend:
  SIGTERM, Ctrl-C  finish what is in flight, then end; a second one cuts it and exits 1
  SIGHUP           ignored: there is no file to reopen
`

func main() {
	err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "backend: "+err.Error())
	if errors.Is(err, cmdline.ErrMisused) {
		os.Exit(2)
	}
	os.Exit(1)
}

// newCommand is a command of this program.
func newCommand(name, help string) *cmdline.Command { return cmdline.New("backend", name, help) }

// run is the program without its process: it returns when the command is done, or when ctx has ended and all is stopped.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return cmdline.Misused(errors.New("no command"), "backend help")
	}
	switch command, args := args[0], args[1:]; command {
	case "serve":
		return serve(ctx, args, stdout, stderr)
	case "check":
		return checkModels(ctx, args, stdout, stderr)
	case "inspect":
		return inspectModel(args, stdout)
	case "version", "--version", "-version":
		fmt.Fprintln(stdout, "backend "+version)
		return nil
	case "help", "--help", "-help", "-h":
		fmt.Fprint(stdout, usage)
		return nil
	default:
		return cmdline.Misused(fmt.Errorf("unknown command %q", command), "backend help")
	}
}

// ignoreHangup is what SIGHUP does here.
func ignoreHangup(log *slog.Logger) {
	log.Info("SIGHUP is ignored: flags are read at start, and there is no file to reopen")
}
