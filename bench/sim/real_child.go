package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ganglion/backend"
	"ganglion/backend/scheduler"
	"ganglion/gateway"
	"ganglion/internal/oip"
)

// sleeper is the name of the model.
const sleeper = "sleeper"

// nodeArguments are what the child needs to know to be the node of that index.
func (s *scenario) nodeArguments(index int) []string {
	return []string{s.model.fixed.String(), strconv.Itoa(s.model.batch), strconv.FormatFloat(s.speed(index), 'g', -1, 64)}
}

// beNode is a node as cmd/backend runs it, with its scheduler, its hop and its word on its load, except for the engine: one whose
// runs take the time that the requests say, sleeping. So a node is as slow as it should be whatever else the machine does.
func beNode(ctx context.Context, args []string, ln net.Listener, ready func(), stderr io.Writer) error {
	if len(args) != 3 {
		return fmt.Errorf("a node wants 3 arguments, not %q", args)
	}
	engine := &sleepingEngine{}
	fixed, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	engine.fixed = fixed
	if engine.speed, err = strconv.ParseFloat(args[2], 64); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sim-node-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is two small files in the temporary folder
	if err := writeModel(dir, args[1]); err != nil {
		return err
	}
	cfg := backend.DefaultConfig()
	cfg.Models = dir
	node, err := backend.New(cfg, engine, quietLog(stderr))
	if err != nil {
		return err
	}
	ready()
	return node.Run(ctx, ln)
}

// emptyONNX is the smallest file that is read as an ONNX model: versions of format and operators, and an empty graph.
const emptyONNX = "\x08\x08\x42\x02\x10\x0d\x3a\x00"

// writeModel makes a repository with the model, which is in the engine and not in the file.
func writeModel(dir, batch string) error {
	version := filepath.Join(dir, sleeper, "1")
	if err := os.MkdirAll(version, 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(version, "model.onnx"), []byte(emptyONNX), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, sleeper, "config.toml"), []byte("max_batch_size = "+batch+"\ninstances = { count = 1 }\n"), 0o600)
}

// beGateway is a gateway as cmd/gateway runs it, with defaults but for the policy.
func beGateway(ctx context.Context, args []string, ln net.Listener, ready func(), stderr io.Writer) error {
	if len(args) < 2 {
		return fmt.Errorf("a gateway wants a policy and nodes, not %q", args)
	}
	nodes := make([]string, len(args)-1)
	for i, address := range args[1:] {
		nodes[i] = fmt.Sprintf("{ address = %q }", address)
	}
	file := fmt.Sprintf("[server]\ngrpc = \"\"\nadmin = \"\"\ndrain_delay = \"0s\"\n[log]\naccess = \"off\"\n[pools.main]\npolicy = %q\nnodes = [%s]\n[routes.%s]\npool = \"main\"\n",
		args[0], strings.Join(nodes, ", "), sleeper)
	cfg, _, err := gateway.ParseConfig("sim.toml", []byte(file))
	if err != nil {
		return err
	}
	g, err := gateway.New(cfg, gateway.Options{Log: quietLog(stderr)})
	if err != nil {
		return err
	}
	ready()
	return g.Run(ctx, ln, nil)
}

// quietLog tells of what should not happen.
func quietLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError}))
}

// sleepingEngine opens any file as a model of one INT64 [-1] input work and output done. Each row of work is how many nanoseconds it
// takes on an engine of speed 1.
type sleepingEngine struct {
	fixed time.Duration // of every run
	speed float64
}

func (e *sleepingEngine) Info() backend.EngineInfo {
	return backend.EngineInfo{Name: "sleeper", Platform: "sleeper", Device: "none", Runs: 1}
}
func (e *sleepingEngine) Health() error        { return nil }
func (e *sleepingEngine) Arena() backend.Arena { return backend.Arena{} }
func (e *sleepingEngine) Close() error         { return nil }

func (e *sleepingEngine) Open(string, backend.ModelOptions) (backend.Model, error) {
	return &sleepingModel{e}, nil
}

// sleepingModel is the model, and its one instance.
type sleepingModel struct{ engine *sleepingEngine }

func spec(name string) []backend.Spec {
	return []backend.Spec{{TensorMetadata: oip.TensorMetadata{Name: name, Datatype: oip.Int64, Shape: []int64{-1}}, Axes: []string{"n"}}}
}

func (m *sleepingModel) Inputs() []backend.Spec      { return spec("work") }
func (m *sleepingModel) Outputs() []backend.Spec     { return spec("done") }
func (m *sleepingModel) Runners() []scheduler.Runner { return []scheduler.Runner{m} }
func (m *sleepingModel) Memory() scheduler.Memory    { return nil }
func (m *sleepingModel) Close() error                { return nil }

// Run implements scheduler.Runner.
func (m *sleepingModel) Run(ctx context.Context, inputs []oip.Tensor, _ []string, results *scheduler.Results) error {
	work := inputs[slices.IndexFunc(inputs, func(t oip.Tensor) bool { return t.Name == "work" })]
	takes := m.engine.fixed
	for rows := work.Data; len(rows) >= 8; rows = rows[8:] {
		takes += time.Duration(binary.LittleEndian.Uint64(rows))
	}
	timer := time.NewTimer(time.Duration(float64(takes) / m.engine.speed))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	copy(results.Add("done", work.Datatype, work.Shape, len(work.Data)), work.Data)
	return nil
}
