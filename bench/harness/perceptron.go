package harness

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"ganglion/internal/onnxfile"
)

// Perceptron is a model that takes as long as one wants: rows of inputs "x" go through layers of equal width, and the largest
// number of the last one is the output "y".
type Perceptron struct {
	Name                    string
	Rows                    onnxfile.Dim // of a batch
	Inputs, Width, Matrices int64        // the layers take turns with the matrices, of Width by Width
	Layers                  int
	Activation              string  // ONNX's name of what each layer ends with
	Spread                  float32 // weights are random, from minus to plus half of it
}

// Model is the same model every time.
func (p Perceptron) Model() *onnxfile.Model {
	random := rand.New(rand.NewPCG(1, 2))
	m := &onnxfile.Model{Name: p.Name, Producer: "ganglion"}
	m.Input("x", onnxfile.Float, p.Rows, onnxfile.Fixed(p.Inputs))
	m.Output("y", onnxfile.Float, p.Rows, onnxfile.Fixed(1))
	weights := func(name string, rows int64) {
		values := make([]float32, rows*p.Width)
		for i := range values {
			values[i] = (random.Float32() - 0.5) * p.Spread
		}
		m.Initializer(onnxfile.NewData(name, values, rows, p.Width))
	}
	weights("first", p.Inputs)
	for i := range p.Matrices {
		weights(fmt.Sprint("w", i), p.Width)
	}
	m.Node("MatMul", "x first", "h")
	in := "h"
	for i := range p.Layers {
		sum, out := fmt.Sprint("s", i), fmt.Sprint("h", i)
		m.Node("MatMul", fmt.Sprint(in, " w", int64(i)%p.Matrices), sum)
		m.Node(p.Activation, sum, out)
		in = out
	}
	m.Node("ReduceMax", in, "y", onnxfile.Ints("axes", 1))
	return m
}

// Write puts the model into a repository, with a configuration.
func (p Perceptron) Write(repository, config string) error {
	folder := filepath.Join(repository, p.Name)
	version := filepath.Join(folder, "1")
	if err := os.MkdirAll(version, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "config.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	return p.Model().WriteFile(filepath.Join(version, "model.onnx"))
}
