//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"ganglion/internal/onnxfile"
)

// The models: busy is what faults are measured with, light what systems are compared with, as it takes next to no time.
const (
	model = "busy"
	light = "light"
)

// Sizes of the model. A run takes one to two milliseconds of one core, so that nodes, and not the edge, are what there is
// too little of, as it is with models that people serve; and four matrices of a MiB stay in a core's own cache, so that the
// time does not depend on what the neighbours do to memory.
const (
	busyInputs   = 16
	busyWidth    = 512
	busyLayers   = 96
	busyMatrices = 2
)

// writeRepository makes a model repository in dir. Batches are fixed to one row: what a node can do is then the same for every
// mix of requests.
func writeRepository(dir string) error {
	for name, layers := range map[string]int{model: busyLayers, light: 0} {
		version := filepath.Join(dir, name, "1")
		if err := os.MkdirAll(version, 0o700); err != nil {
			return err
		}
		// One run at a time: three nodes on a machine of two cores are what three nodes would be, but for how fast.
		config := []byte("max_batch_size = 0\ninstances = { count = 1 }\n")
		if err := os.WriteFile(filepath.Join(dir, name, "config.toml"), config, 0o600); err != nil {
			return err
		}
		if err := perceptron(name, layers).WriteFile(filepath.Join(version, "model.onnx")); err != nil {
			return err
		}
	}
	return nil
}

// perceptron is a model with random weights.
func perceptron(name string, layers int) *onnxfile.Model {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same model every time is what is wanted
	m := &onnxfile.Model{Name: name, Producer: "ganglion"}
	m.Input("x", onnxfile.Float, onnxfile.Fixed(1), onnxfile.Fixed(busyInputs))
	m.Output("y", onnxfile.Float, onnxfile.Fixed(1), onnxfile.Fixed(1))
	weights := func(name string, rows int64) {
		values := make([]float32, rows*busyWidth)
		for i := range values {
			values[i] = (random.Float32() - 0.5) / 4 // so that what goes in still shows in what comes out
		}
		m.Initializer(onnxfile.NewData(name, values, rows, busyWidth))
	}
	weights("first", busyInputs)
	for i := range busyMatrices {
		weights(fmt.Sprint("w", i), busyWidth)
	}
	m.Node("MatMul", "x first", "h")
	in := "h"
	for i := range layers {
		sum, out := fmt.Sprint("s", i), fmt.Sprint("h", i)
		m.Node("MatMul", fmt.Sprint(in, " w", i%busyMatrices), sum)
		m.Node("Tanh", sum, out)
		in = out
	}
	m.Node("ReduceMax", in, "y", onnxfile.Ints("axes", 1))
	return m
}
