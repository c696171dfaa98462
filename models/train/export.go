package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ganglion/internal/onnxfile"
)

// newModel is an empty model of ours.
func newModel(name, doc string) *onnxfile.Model {
	return &onnxfile.Model{
		Name: name, Doc: doc, Producer: "ganglion models/train",
		// The standard operators as of DefaultOpset; LabelEncoder is in ai.onnx.ml,
		// where version 2 brought keys_int64s.
		Opsets: []onnxfile.Opset{{Version: onnxfile.DefaultOpset}, {Domain: "ai.onnx.ml", Version: 2}},
	}
}

// classify ends a model: scores become probabilities, the number of the class
// (label) and its name, as an output called after what the classes are.
func classify(m *onnxfile.Model, scores string, classes []string, what string) {
	keys := make([]int64, len(classes))
	for i := range keys {
		keys[i] = int64(i)
	}
	m.Node("Softmax", scores, "probabilities", onnxfile.Int("axis", 1))
	m.Node("ArgMax", scores, "label", onnxfile.Int("axis", 1), onnxfile.Int("keepdims", 0))
	m.Nodes = append(m.Nodes, onnxfile.Node{
		Op: "LabelEncoder", Domain: "ai.onnx.ml", Name: "LabelEncoder",
		Inputs: []string{"label"}, Outputs: []string{what},
		Attrs: []onnxfile.Attr{
			onnxfile.Ints("keys_int64s", keys...),
			onnxfile.Strs("values_strings", classes...),
			onnxfile.Str("default_string", "?"),
		},
	})
	batch := onnxfile.Dynamic("batch")
	m.Output("probabilities", onnxfile.Float, batch, onnxfile.Fixed(int64(len(classes))))
	m.Output("label", onnxfile.Int64, batch)
	m.Output(what, onnxfile.String, batch)
	m.Metadata = append(m.Metadata, onnxfile.Property{Key: "classes", Value: strings.Join(classes, ",")})
}

// write puts the model where a node looks for it. The file appears whole or not
// at all: a node may be watching the folder.
func write(m *onnxfile.Model, path string, w io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	partial := path + ".partial"
	if err := m.WriteFile(partial); err != nil {
		return err
	}
	info, err := os.Stat(partial)
	if err != nil {
		return err
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	fmt.Fprintf(w, "wrote %s: %d bytes\n", path, info.Size())
	return nil
}
