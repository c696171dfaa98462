//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

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
	version := filepath.Join(folder, wide, "1")
	if err := os.MkdirAll(version, 0o700); err != nil {
		return err
	}
	config := fmt.Sprintf("max_batch_size = %d\nmax_queue_delay = %q\n", wideBatch, wideDelay.String())
	if err := os.WriteFile(filepath.Join(folder, wide, "config.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	return wideModel().WriteFile(filepath.Join(version, "model.onnx"))
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

// wideModel is a perceptron with random weights. A row alone has to read 16 MB of them for each layer, from memory, so that
// rows together gain much; and a row of a full batch takes a millisecond or two, so that the request around it hardly counts.
func wideModel() *onnxfile.Model {
	random := rand.New(rand.NewPCG(1, 2))
	m := &onnxfile.Model{Name: wide}
	m.Input("x", onnxfile.Float, onnxfile.Dynamic("batch"), onnxfile.Fixed(wideInputs))
	m.Output("y", onnxfile.Float, onnxfile.Dynamic("batch"), onnxfile.Fixed(1))
	weights := func(name string, rows int64) {
		values := make([]float32, rows*wideWidth)
		for i := range values {
			values[i] = (random.Float32() - 0.5) / 16 // so that sums stay about as large as what is summed
		}
		m.Initializer(onnxfile.NewData(name, values, rows, wideWidth))
	}
	weights("first", wideInputs)
	for i := range wideMatrices {
		weights(fmt.Sprint("w", i), wideWidth)
	}
	m.Node("MatMul", "x first", "wide")
	in := "wide"
	for i := range wideLayers {
		sum, out := fmt.Sprint("s", i), fmt.Sprint("h", i)
		m.Node("MatMul", fmt.Sprint(in, " w", i%wideMatrices), sum)
		m.Node("Relu", sum, out)
		in = out
	}
	m.Node("ReduceMax", in, "y", onnxfile.Ints("axes", 1))
	return m
}
