//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ganglion/bench/harness"
	"ganglion/internal/onnxfile"
)

// The models of the repository. The same iris is there twice.
const (
	irisAlone   = "iris.alone"
	irisBatched = "iris.batched"
	wide        = "wide"
	loaded      = "language_id" // to be loaded and unloaded
)

func (b *bench) makeRepository(folder string) error {
	unbatched, batched := "max_batch_size = 0\n", ""
	for name, config := range map[string]string{irisAlone: unbatched, irisBatched: batched, loaded: ""} {
		source := "iris"
		if name == loaded {
			source = loaded
		}
		if err := os.CopyFS(filepath.Join(folder, name), os.DirFS(filepath.Join(b.models, source))); err != nil {
			return err
		}
		if config == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, name, "config.toml"), []byte(config), 0o600); err != nil {
			return err
		}
	}
	config := fmt.Sprintf("max_batch_size = %d\nmax_queue_delay = %q\n", wideBatch, wideDelay.String())
	return wideModel.Write(folder, config)
}

// wideDelay is time for all clients to come back before the next run of the large model begins. Without it they fall apart
// into two groups, each of which comes back while the other's run is under way.
const wideDelay = 5 * time.Millisecond

// Sizes of the large model.
const (
	wideBatch    = 64 // at most
	wideInputs   = 64
	wideWidth    = 2048
	wideLayers   = 32
	wideMatrices = 4 // that the layers take turns with
)

// wideModel is the large model. A row alone has to read 16 MB of weights for each layer, from memory, so that rows together gain
// much; and a row of a full batch takes a millisecond or two, so that the request around it hardly counts.
var wideModel = harness.Perceptron{
	Name: wide, Rows: onnxfile.Dynamic("batch"), Inputs: wideInputs, Width: wideWidth, Matrices: wideMatrices, Layers: wideLayers,
	Activation: "Relu", Spread: 1.0 / 16, // so that sums stay about as large as what is summed
}
