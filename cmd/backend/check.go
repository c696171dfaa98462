package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"ganglion/backend"
	"ganglion/backend/check"
	"ganglion/backend/onnx"
	"ganglion/internal/cmdline"
	"ganglion/internal/conf"
	"ganglion/internal/lifecycle"
)

const checkUsage = `usage: backend check [flags] [MODEL ...]

Tells before a deployment whether a repository is ready for it: loads and warms up every model,
compares answers with test data that lies beside the models, measures how fast they are with
batches of several sizes and several clients at once, and recommends a configuration for this
machine. It serves nobody meanwhile. The exit code is 1 if anything is not ready.

  --models DIR      the model repository (default "models")
  --device DEVICE   auto, cpu, cuda:N or tensorrt:N (default "auto")
  --memory SIZE     host memory that all inferences under way may use together (default: a quarter
                    of what this machine or container has)
  --duration TIME   how long to measure each model version, about; 0 measures nothing (default "10s")
  --budget TIME     what the p99 of a one-row request may take; 0 is any (default "0s")
  --batches LIST    rows of a request, such as 1,8,32 (default: 1, 4, 16 and so on up to the
                    model's batch size)
  --clients LIST    clients that ask at once (default "1,4,16")
  --rtol NUMBER     how far from the expected number an answer may be, as a share of it (default 0.001)
  --atol NUMBER     and in addition to that (default 0.00001)
  --accuracy SHARE  share of an output's elements that have to be that near (default 1)
  --json FILE       write the report as JSON, too; - is the standard output, in place of the text
  --log-level LEVEL of what the node says meanwhile: debug, info, warn or error (default "warn")

Test data of a model NAME:
  DIR/NAME/test_data_set_0/input_0.pb, output_0.pb   as ONNX's own tests have it
  DIR/NAME/test/ANY.request.json, ANY.response.json  a request and the answer to it, over REST
`

// errNotReady ends a check whose report tells why.
var errNotReady = errors.New("not ready")

// checkFlags are what the command line of a check says.
type checkFlags struct {
	check.Options
	device   string
	memory   sizeFlag
	json     string
	logLevel slog.Level
}

// checkModels is `backend check`.
func checkModels(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseCheckFlags(args, stdout)
	if err != nil {
		return cmdline.UnlessHelp(err)
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.logLevel}))
	ctx, release := lifecycle.Signals(ctx, log, func(*slog.Logger) {})
	defer release()
	report, err := runCheck(ctx, &o, log, stderr)
	if err != nil {
		return err
	}
	if err := writeReport(report, o.json, stdout); err != nil {
		return err
	}
	if !report.Ready {
		return errNotReady
	}
	return nil
}

func parseCheckFlags(args []string, stdout io.Writer) (o checkFlags, err error) {
	o.Options = check.DefaultOptions()
	o.memory = sizeFlag{most: 1 << 50, value: quarter(machineMemory())}
	duration := durationFlag{least: time.Second, none: true, value: o.Duration}
	budget := durationFlag{least: time.Microsecond, none: true}
	var batches, clients string
	line := newCommand("check", checkUsage)
	line.StringVar(&o.Models, "models", "models", "")
	line.StringVar(&o.device, "device", "auto", "")
	line.Var(&o.memory, "memory", "")
	line.Var(&duration, "duration", "")
	line.Var(&budget, "budget", "")
	line.StringVar(&batches, "batches", "", "")
	line.StringVar(&clients, "clients", "1,4,16", "")
	line.Float64Var(&o.Tolerance.Relative, "rtol", o.Tolerance.Relative, "")
	line.Float64Var(&o.Tolerance.Absolute, "atol", o.Tolerance.Absolute, "")
	line.Float64Var(&o.Tolerance.Accuracy, "accuracy", o.Tolerance.Accuracy, "")
	line.StringVar(&o.json, "json", "", "")
	line.TextVar(&o.logLevel, "log-level", slog.LevelWarn, "")
	if o.Only, err = line.Read(args, stdout); err != nil {
		return o, err
	}
	o.Duration, o.Budget = duration.value, budget.value
	if err := o.settle(batches, clients); err != nil {
		return o, line.Misused("%w", err)
	}
	return o, nil
}

// settle reads what flags hold in a form of their own.
func (o *checkFlags) settle(batches, clients string) error {
	if err := onnx.ParseDevice(o.device); err != nil {
		return fmt.Errorf("--device: %w", err)
	}
	rows, err := numbers(batches, 1<<20)
	if err != nil {
		return fmt.Errorf("--batches: %w", err)
	}
	for _, n := range rows {
		o.Batches = append(o.Batches, int64(n))
	}
	if o.Clients, err = numbers(clients, 1024); err != nil || len(o.Clients) == 0 {
		return fmt.Errorf("--clients: %w", errors.Join(err, errNoNumbers(o.Clients)))
	}
	t := &o.Tolerance
	if !(t.Relative >= 0) || !(t.Absolute >= 0) {
		return errors.New("--rtol and --atol: want numbers from 0")
	}
	if !(t.Accuracy >= 0 && t.Accuracy <= 1) {
		return errors.New("--accuracy: want a number from 0 to 1")
	}
	return nil
}

func errNoNumbers(list []int) error {
	if len(list) > 0 {
		return nil
	}
	return errors.New("want at least one number")
}

// numbers reads a list such as "1,4,16".
func numbers(list string, most int) (found []int, err error) {
	if list == "" {
		return nil, nil
	}
	for one := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(one))
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("%q is no whole number of 1 to %d", one, most)
		}
		found = append(found, n)
	}
	return found, nil
}

// runCheck checks the models of a node that serves nobody else.
func runCheck(ctx context.Context, o *checkFlags, log *slog.Logger, stderr io.Writer) (report *check.Report, err error) {
	library, err := onnx.FindLibrary()
	if err != nil {
		return nil, err
	}
	engine, err := onnx.New(onnx.Config{Library: library, Device: o.device, Memory: int64(o.memory.value)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	cfg := backend.DefaultConfig()
	cfg.Models, cfg.Version = o.Models, version
	node, err := backend.New(cfg, engine, log)
	if err != nil {
		return nil, err
	}
	modelsCtx, stop := context.WithCancel(context.WithoutCancel(ctx)) // models outlive the requests to them
	done := make(chan error, 1)
	go func() { done <- node.RunModels(modelsCtx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-done)
	}()
	bar := newBar(stderr)
	defer bar.clear()
	bar.show(0, 1, "loading")
	if err := waitReady(ctx, node); err != nil {
		return nil, err
	}
	o.Runs, o.Progress = engine.Info().Runs, bar.show
	o.Options.Memory = func() (peak, limit int64) { return peakMemory(), int64(machineMemory()) }
	return check.Run(ctx, node, o.Options)
}

// waitReady waits for the first load pass, which says nothing when it is over.
func waitReady(ctx context.Context, node *backend.Server) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for node.Ready() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// peakMemory is the most memory that this process has had, 0 where the system does not tell.
func peakMemory() int64 {
	for line := range strings.Lines(readText("/proc/self/status")) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return kib * int64(conf.KiB)
			}
		}
	}
	return 0
}

// writeReport writes the report as text, and as JSON where that was asked for.
func writeReport(report *check.Report, file string, stdout io.Writer) (err error) {
	if file != "-" {
		if err := report.WriteText(stdout); err != nil {
			return err
		}
	}
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if file == "-" {
		_, err = stdout.Write(text)
		return err
	}
	return os.WriteFile(file, text, 0o644) //nolint:gosec // a report is for others to read
}
