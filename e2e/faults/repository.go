//go:build linux

package main

import (
	"ganglion/bench/harness"
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
	// One run at a time: three nodes on a machine of two cores are what three nodes would be, but for how fast.
	const config = "max_batch_size = 0\ninstances = { count = 1 }\n"
	for name, layers := range map[string]int{model: busyLayers, light: 0} {
		p := harness.Perceptron{
			Name: name, Rows: onnxfile.Fixed(1), Inputs: busyInputs, Width: busyWidth, Matrices: busyMatrices, Layers: layers,
			Activation: "Tanh", Spread: 1.0 / 4, // so that what goes in still shows in what comes out
		}
		if err := p.Write(dir, config); err != nil {
			return err
		}
	}
	return nil
}
