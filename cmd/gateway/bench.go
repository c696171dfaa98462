package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ganglion/internal/cmdline"
	"ganglion/internal/loadgen"
)

const benchUsage = `gateway bench asks an inference server questions and measures its answers.

usage: gateway bench [flags] URL      URL is http://HOST:PORT, https://HOST:PORT or grpc://HOST:PORT

  --model NAME        the model to ask; questions are made from its metadata
  --version V         its version (default: the server's choice)
  --clients N         closed loop: ask N at a time (default 16); open loop: at most N wait (default 256)
  --rate R            open loop: R questions a second are due, whether or not earlier ones are answered, and a
                      latency counts from when its question was due
  --duration D        how long to ask (default 10s), after --warmup D (default 2s)
  --timeout D         of one question (default 30s)
  --batch N           rows of a question, where the model's first dimension is variable (default 1)
  --shape NAME=AxB    the shape of an input with other variable dimensions; may be repeated
  --questions N       how many different questions (default 64); a cache in between sees that many
  --binary            HTTP: send and ask for binary tensors instead of JSON
  --against URL       measure this one too, in turn, and compare
  --rounds N          with --against: how often each (default 3)
  --json FILE         write all results there ("-" is standard output, and nothing else is printed then)

The exit code is 1 if a target could not be asked or answered not one question.
`

// benchFlags are the command line of gateway bench.
type benchFlags struct {
	config  loadgen.Config
	against string
	rounds  int
	json    string
}

// bench measures one server, or two in turn.
func bench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f, err := parseBench(args, stdout)
	if err != nil {
		return cmdline.UnlessHelp(err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	results, err := f.measure(ctx, stderr)
	if err != nil {
		return err
	}
	if f.json != "-" {
		f.print(stdout, results)
	}
	if err := f.write(stdout, results); err != nil {
		return err
	}
	for _, r := range results {
		if r.Answers == 0 { // a script must not take that for a measurement
			return fmt.Errorf("bench: %s answered not one question", r.Target)
		}
	}
	return nil
}

func parseBench(args []string, stdout io.Writer) (*benchFlags, error) {
	f := &benchFlags{config: loadgen.Config{Shapes: map[string][]int64{}}}
	c := &f.config
	line := newCommand("bench", benchUsage)
	line.StringVar(&c.Model, "model", "", "")
	line.StringVar(&c.Version, "version", "", "")
	line.IntVar(&c.Clients, "clients", 0, "")
	line.Float64Var(&c.Rate, "rate", 0, "")
	line.DurationVar(&c.Duration, "duration", 10*time.Second, "")
	line.DurationVar(&c.Warmup, "warmup", 2*time.Second, "")
	line.DurationVar(&c.Timeout, "timeout", 30*time.Second, "")
	line.Int64Var(&c.Batch, "batch", 1, "")
	line.Func("shape", "", func(text string) error { return parseShape(c.Shapes, text) })
	line.IntVar(&c.Questions, "questions", 64, "")
	line.BoolVar(&c.Binary, "binary", false, "")
	line.StringVar(&f.against, "against", "", "")
	line.IntVar(&f.rounds, "rounds", 3, "")
	line.StringVar(&f.json, "json", "", "")
	targets, err := line.Read(args, stdout)
	if err != nil {
		return nil, err
	}
	switch {
	case len(targets) != 1:
		return nil, line.Misused("want one URL, got %q", targets)
	case c.Model == "":
		return nil, line.Misused("--model is missing")
	case f.rounds < 1:
		return nil, line.Misused("--rounds %d: want 1 or more", f.rounds)
	}
	c.Target = targets[0]
	if c.Clients == 0 {
		c.Clients = 16
		if c.Rate > 0 {
			c.Clients = 256
		}
	}
	return f, nil
}

// parseShape reads "input=1x16".
func parseShape(shapes map[string][]int64, text string) error {
	name, sizes, found := strings.Cut(text, "=")
	if !found || name == "" {
		return errors.New("want NAME=AxB, such as input=1x16")
	}
	var shape []int64
	for part := range strings.SplitSeq(sizes, "x") {
		size, err := strconv.ParseInt(part, 10, 64)
		if err != nil || size < 0 {
			return fmt.Errorf("%q is no size", part)
		}
		shape = append(shape, size)
	}
	shapes[name] = shape
	return nil
}

// measure runs each target as often as asked, in turn, so that a machine that gets slower does not do so to one alone.
func (f *benchFlags) measure(ctx context.Context, stderr io.Writer) ([]*loadgen.Result, error) {
	targets, rounds := []string{f.config.Target}, 1
	if f.against != "" {
		targets, rounds = append(targets, f.against), f.rounds
	}
	line := &progressLine{to: stderr}
	defer line.clear()
	var results []*loadgen.Result
	for round := range rounds {
		for _, target := range targets {
			c := f.config
			c.Target = target
			c.Progress = func(p loadgen.Progress) { line.show(target, round+1, rounds, p) }
			r, err := loadgen.Run(ctx, c)
			if err != nil {
				return nil, fmt.Errorf("bench: %s: %w", target, err)
			}
			results = append(results, r)
		}
	}
	return results, nil
}

// write writes the results as JSON where they are wanted.
func (f *benchFlags) write(stdout io.Writer, results []*loadgen.Result) error {
	if f.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if f.json == "-" {
		_, err = stdout.Write(text)
		return err
	}
	return os.WriteFile(f.json, text, 0o644) //nolint:gosec // results are no secret
}

// progressLine is one line of a terminal that is written over and over.
type progressLine struct {
	to    io.Writer
	width int
}

func (l *progressLine) show(target string, round, rounds int, p loadgen.Progress) {
	what := ""
	if rounds > 1 {
		what = fmt.Sprintf("round %d of %d, ", round, rounds)
	}
	if p.WarmingUp {
		what += "warming up, "
	}
	text := fmt.Sprintf("%s: %s%.0f of %.0f s, %.0f/s, p50 %s, p99 %s", target, what, p.Elapsed.Seconds(), p.Of.Seconds(), p.Rate, short(p.P50), short(p.P99))
	if p.Errors > 0 {
		text += fmt.Sprintf(", %d failed", p.Errors)
	}
	fmt.Fprintf(l.to, "\r%-*s", l.width, text)
	l.width = len(text)
}

func (l *progressLine) clear() {
	if l.width > 0 {
		fmt.Fprintf(l.to, "\r%*s\r", l.width, "")
	}
}
