package onnxtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ganglion/internal/onnxfile"
)

// Write writes m to a new file and returns its path.
func Write(t testing.TB, m *onnxfile.Model) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	WriteAt(t, m, path)
	return path
}

// WriteAt writes m to path, making folders as needed.
func WriteAt(t testing.TB, m *onnxfile.Model, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
}

// Batch is the variable first dimension of most models.
func Batch() onnxfile.Dim { return onnxfile.Dynamic("batch") }

// Identity gives back its input x as y, both of the same type and shape.
func Identity(elem onnxfile.ElementType, dims ...onnxfile.Dim) *onnxfile.Model {
	m := &onnxfile.Model{Name: "identity"}
	m.Input("x", elem, dims...)
	m.Output("y", elem, dims...)
	m.Node("Identity", "x", "y")
	return m
}

// Sum adds a and b, float32 [batch,n] each, to y.
func Sum() *onnxfile.Model {
	m := &onnxfile.Model{Name: "sum"}
	m.Input("a", onnxfile.Float, Batch(), onnxfile.Dynamic("n"))
	m.Input("b", onnxfile.Float, Batch(), onnxfile.Dynamic("n"))
	m.Output("y", onnxfile.Float, Batch(), onnxfile.Dynamic("n"))
	m.Node("Add", "a b", "y")
	return m
}

// Fill makes a float32 tensor y of zeros in whatever shape it is asked for: size is int64 [rank].
func Fill(rank int64) *onnxfile.Model {
	m := &onnxfile.Model{Name: "fill"}
	dims := make([]onnxfile.Dim, rank)
	for i := range dims {
		dims[i] = onnxfile.Dynamic("")
	}
	dims[0] = onnxfile.Dynamic("first")
	m.Input("size", onnxfile.Int64, onnxfile.Fixed(rank))
	m.Output("y", onnxfile.Float, dims...)
	m.Node("ConstantOfShape", "size", "y")
	return m
}

// NonZero finds the elements of x, float32 [n], that are not 0: their places as y, in elem, of shape [1,found]. How many
// there are is known only after the run.
func NonZero(elem onnxfile.ElementType) *onnxfile.Model {
	m := &onnxfile.Model{Name: "nonzero"}
	m.Input("x", onnxfile.Float, onnxfile.Dynamic("n"))
	m.Output("y", elem, onnxfile.Fixed(1), onnxfile.Dynamic("found"))
	m.Node("NonZero", "x", "places")
	m.Node("Cast", "places", "y", onnxfile.Int("to", int64(elem)))
	return m
}

// Slow multiplies the square matrix x, float32 [n,n], with itself, steps times. With n of 512 a step takes some
// milliseconds.
func Slow(steps int) *onnxfile.Model {
	m := &onnxfile.Model{Name: "slow"}
	m.Input("x", onnxfile.Float, onnxfile.Dynamic("n"), onnxfile.Dynamic("n"))
	m.Output("y", onnxfile.Float, onnxfile.Dynamic("n"), onnxfile.Dynamic("n"))
	from := "x"
	for i := range steps - 1 {
		to := fmt.Sprintf("power_%d", i+2)
		m.Node("MatMul", from+" x", to)
		from = to
	}
	m.Node("MatMul", from+" x", "y")
	return m
}

// Dense multiplies x, float32 [batch,width], with width by width weights to y.
func Dense(width int64) *onnxfile.Model {
	m := &onnxfile.Model{Name: "dense"}
	m.Input("x", onnxfile.Float, Batch(), onnxfile.Fixed(width))
	m.Output("y", onnxfile.Float, Batch(), onnxfile.Fixed(width))
	weights := make([]float32, width*width)
	for i := range weights {
		weights[i] = float32(i % 7)
	}
	m.Initializer(onnxfile.NewData("w", weights, width, width))
	m.Node("MatMul", "x w", "y")
	return m
}
