// Command interop lets the clients and servers that people already have talk to Ganglion, unmodified: tritonclient (HTTP,
// asyncio and gRPC), perf_analyzer and the KServe SDK against a gateway with two nodes and against a node, and Triton and
// MLServer as nodes behind the gateway. `make interop` installs them and runs it. It prints a line for each suite and
// exits with 1 when one failed, after showing what it said.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ganglion/internal/stack"
)

func main() {
	tools := flag.String("tools", ".tools/interop", "the folder that setup.sh has filled")
	bin := flag.String("bin", "bin", "the folder with gateway, backend and lib")
	only := flag.String("only", "", "run the suites whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *tools, *only); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, tools, only string) (err error) {
	tools, err = filepath.Abs(tools)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ganglion-interop-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	repository := filepath.Join(dir, "models")
	if err := writeRepository(repository); err != nil {
		return err
	}
	peers, err := startPeers(ctx, dir, tools)
	if err != nil {
		return err
	}
	defer peers.stop()
	s, err := stack.Start(ctx, stack.Config{
		BinDir: bin, Models: repository, GatewayConfig: gatewayConfig(peers),
		Progress: func(step string) { fmt.Fprintln(os.Stderr, "interop:", step) },
	})
	if err != nil {
		return err
	}
	err = runSuites(ctx, suites(s, tools, peers), only)
	return errors.Join(err, s.Stop())
}

// runSuites runs each suite and prints how it went. The error counts those that failed.
func runSuites(ctx context.Context, all []suite, only string) error {
	failed := 0
	for _, s := range all {
		if !strings.Contains(s.name, only) {
			continue
		}
		began := time.Now()
		summary, err := s.run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		verdict := "ok"
		if err != nil {
			verdict, summary = "FAILED", err.Error()
			failed++
		}
		fmt.Printf("%-44s %-6s %5.1fs  %s\n", s.name, verdict, time.Since(began).Seconds(), summary)
	}
	if failed > 0 {
		return fmt.Errorf("%d of the suites above failed", failed)
	}
	return nil
}
