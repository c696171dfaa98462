// Command demo shows the whole system at work on one machine: it starts two nodes and a gateway on loopback, sends one
// inference to each of two models, and shows how to go on from there. It is behind `make run` and `make demo`.
//
// It owns what it starts and stops all of it; Ctrl-C is the way out. It is no product: nothing depends on it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `demo starts two nodes and a gateway, and sends them a first inference.

usage: demo [flags]

  --once           stop after the answers; exit 0 if all went well
  --http ADDR      where the gateway answers clients (default "127.0.0.1:8080")
  --grpc ADDR      where it answers clients that speak gRPC (default "127.0.0.1:8081")
  --admin ADDR     where it answers operators (default "127.0.0.1:8082")
  --nodes ADDRS    where the nodes listen, two addresses with a comma between them
                   (default "127.0.0.1:9000,127.0.0.1:9100")
  --config FILE    the gateway's configuration, with these addresses put in place of the
                   default ones (default "gateway.toml")
  --bin DIR        holds gateway, backend and lib/ (default "bin")
  --models DIR     the model repository (default "models")
  --verbose        show all that the processes log, not only warnings and errors

DEMO_HTTP, DEMO_GRPC, DEMO_ADMIN and DEMO_NODES in the environment do the same: DEMO_HTTP=127.0.0.1:8090 make run
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// After the first signal has begun the end, the second one ends us at once, and the children with us.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "demo: "+err.Error())
	os.Exit(1)
}

// options are what the command line and the environment say.
type options struct {
	once, verbose       bool
	http, grpc, admin   string
	nodes               string
	config, bin, models string
}

// run returns when all that it started has stopped. The end of ctx is the normal way out and no error.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return nil
	}
	if err != nil {
		return err
	}
	return show(ctx, o, newScreen(stdout))
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are returned, help goes where answers go
	flags.BoolVar(&o.once, "once", false, "")
	flags.BoolVar(&o.verbose, "verbose", false, "")
	flags.StringVar(&o.http, "http", fromEnv("DEMO_HTTP", defaultHTTP), "")
	flags.StringVar(&o.grpc, "grpc", fromEnv("DEMO_GRPC", defaultGRPC), "")
	flags.StringVar(&o.admin, "admin", fromEnv("DEMO_ADMIN", defaultAdmin), "")
	flags.StringVar(&o.nodes, "nodes", fromEnv("DEMO_NODES", defaultNode1+","+defaultNode2), "")
	flags.StringVar(&o.config, "config", "gateway.toml", "")
	flags.StringVar(&o.bin, "bin", "bin", "")
	flags.StringVar(&o.models, "models", "models", "")
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		return o, fmt.Errorf("%w; demo --help lists the flags", err)
	}
	return o, nil
}

func fromEnv(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
