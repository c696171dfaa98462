// Command conformance runs the operator models that ONNX publishes with test vectors through a real node, over REST, once
// with JSON tensors and once with binary ones, and compares the answers. `make conformance` fetches them (Debian's
// libonnx-testdata) and runs it.
//
// It lists every model that does not match, with the reason, and compares that list with known.txt: it exits with 1 when
// a model has got worse or better than it says there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"ganglion/internal/stack"
)

// known is the list of models that do not match, as of the last time somebody looked at each.
var known = filepath.Join("e2e", "conformance", "known.txt")

func main() {
	data := flag.String("data", ".tools/conformance/data", "the folder with the test vectors")
	bin := flag.String("bin", "bin", "the folder with gateway, backend and lib")
	out := flag.String("json", "", "write the result of every model to this file")
	update := flag.Bool("update", false, "write "+known+" anew")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *data, *out, *update); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, data, out string, update bool) error {
	cases, err := findCases(data)
	if err != nil {
		return err
	}
	results, err := runCases(ctx, bin, cases)
	if err != nil {
		return err
	}
	report(results)
	if out != "" {
		text, err := json.MarshalIndent(results, "", "  ")
		if err == nil {
			err = os.WriteFile(out, text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if update {
		return writeKnown(known, results)
	}
	return compareKnown(known, results)
}

// loadTime is for a node to load a thousand models on a machine that is busy.
const loadTime = 5 * time.Minute

// runCases starts a node that has all the models, and asks it.
func runCases(ctx context.Context, bin string, cases []*testCase) (results []result, err error) {
	models, err := os.MkdirTemp("", "ganglion-conformance-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(models)) }()
	for _, c := range cases {
		if err := c.install(models); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(os.Stderr, "conformance: loading %d models\n", len(cases))
	s, err := stack.Start(ctx, stack.Config{BinDir: bin, Models: models, Nodes: 1, ReadyTimeout: loadTime, NodeArgs: []string{"--log-level", "error"}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	n := newNode("http://" + s.Nodes()[0].Address())
	defer n.close()
	reasons, err := n.unloadable(ctx)
	if err != nil {
		return nil, err
	}
	for i, c := range cases {
		if i%100 == 0 {
			fmt.Fprintf(os.Stderr, "conformance: %d of %d models asked\n", i, len(cases))
		}
		r := result{Model: c.name}
		if reason, bad := reasons[c.name]; bad {
			r.Verdict, r.Reason = notLoaded, reason
		} else {
			r.Verdict, r.Reason = c.ask(ctx, n)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		results = append(results, r)
	}
	return results, nil
}
