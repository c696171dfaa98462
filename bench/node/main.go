// Node measures what dynamic batching brings: the same small requests to the same models on one node, with batching and
// without, in turn.
//
// It owns the node, which runs in this process over loopback, a repository in a temporary folder, and the clients. Clients
// and node share the cores, so its rates are no limits of anything; their ratio is the figure. It refuses to go on when a
// request fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"ganglion/backend"
	"ganglion/backend/onnx"
	"ganglion/internal/httpserver"
	"ganglion/internal/lifecycle"
)

func main() {
	var b bench
	flag.StringVar(&b.models, "models", "models", "the demo models")
	flag.StringVar(&b.library, "library", "bin/lib/"+onnx.LibraryFile(), "the ONNX Runtime library")
	flag.IntVar(&b.clients, "clients", 64, "clients that ask at a time")
	flag.IntVar(&b.rounds, "rounds", 5, "measurements of each row")
	flag.DurationVar(&b.duration, "duration", 2*time.Second, "length of a measurement")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := b.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is what the command line says.
type bench struct {
	models, library string
	clients, rounds int
	duration        time.Duration
}

// ways are the ways to configure a model, by what is put in front of its config.toml. A repository has each model once for
// each way.
var ways = []struct{ name, config string }{
	{"alone", "max_batch_size = 0\n"},
	{"batched", ""},
	{"batched-1ms", "max_queue_delay = \"1ms\"\n"},
}

func (b *bench) run(ctx context.Context, out io.Writer) error {
	library, err := filepath.Abs(b.library)
	if err != nil {
		return err
	}
	repository, err := os.MkdirTemp("", "bench-node-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(repository) }() // a temporary folder; nothing depends on its end
	for _, q := range questions {
		if err := b.copyModel(q, repository); err != nil {
			return err
		}
	}
	engine, err := onnx.New(onnx.Config{Library: library, Device: "cpu"})
	if err != nil {
		return err
	}
	cfg := backend.DefaultConfig()
	cfg.Models = repository
	node, err := backend.New(cfg, engine, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return errors.Join(err, engine.Close())
	}
	ln, err := httpserver.Listen("127.0.0.1:0")
	if err != nil {
		return errors.Join(err, engine.Close())
	}
	var parts lifecycle.Group
	parts.Add("node", func(ctx context.Context) error { return node.Run(ctx, ln) })
	parts.Add("clients", func(ctx context.Context) error { return b.measure(ctx, ln.Addr().String(), out) })
	return errors.Join(parts.Run(ctx), engine.Close())
}

// copyModel puts a demo model into the repository once for each way.
func (b *bench) copyModel(q question, repository string) error {
	for _, way := range ways {
		folder := filepath.Join(repository, q.model+"."+way.name)
		if err := os.CopyFS(folder, os.DirFS(filepath.Join(b.models, q.model))); err != nil {
			return err
		}
		path := filepath.Join(folder, "config.toml")
		config, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if way.name == "alone" {
			config = q.unbatched
		}
		if err := os.WriteFile(path, append([]byte(way.config), config...), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// measure prints the table.
func (b *bench) measure(ctx context.Context, address string, out io.Writer) error {
	c := newClients(address, b.clients)
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d clients, one row a request, median of %d rounds of %v\n\n", b.clients, b.rounds, b.duration)
	fmt.Fprintf(out, "%-14s %-12s %12s %12s %8s\n", "model", "requests", "a second", "rows a run", "ratio")
	for _, q := range questions {
		results := make([][]result, len(ways))
		for range b.rounds {
			for i, way := range ways {
				r, err := c.load(ctx, q.model+"."+way.name, q.body, b.duration)
				if err != nil {
					return err
				}
				results[i] = append(results[i], r)
			}
		}
		base := median(results[0])
		for i, way := range ways {
			r := median(results[i])
			fmt.Fprintf(out, "%-14s %-12s %12.0f %12.1f %8.2f\n", q.model, way.name, r.rate, r.rows, r.rate/base.rate)
		}
	}
	return nil
}

// median is the result with the median rate.
func median(results []result) result {
	sorted := slices.SortedFunc(slices.Values(results), func(a, b result) int {
		if a.rate < b.rate {
			return -1
		}
		return 1
	})
	return sorted[len(sorted)/2]
}
