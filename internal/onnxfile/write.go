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
	file, err := m.message()
	if err != nil {
		return 0, fmt.Errorf("model %q: %w", m.Name, err)
	}
	var written int64
	for _, c := range append(file.chunks, file.tail) {
		n, err := w.Write(c)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// message is the ModelProto.
func (m *Model) message() (*message, error) {
	graph, err := m.graph()
	if err != nil {
		return nil, err
	}
	ir, opsets := m.IRVersion, m.Opsets
	if ir == 0 {
		ir = DefaultIRVersion
	}
	if len(opsets) == 0 {
		opsets = []Opset{{Version: DefaultOpset}}
	}
	file := new(message)
	file.int(1, ir)
	file.text(2, m.Producer)
	file.int(5, m.Version)
	file.text(6, m.Doc)
	file.sub(7, graph)
	for _, o := range opsets {
		set := new(message)
		set.text(1, o.Domain)
		set.int(2, o.Version)
		file.sub(8, set)
	}
	for _, p := range m.Metadata {
		file.sub(14, p.message())
	}
	return file, nil
}

// graph is the GraphProto.
func (m *Model) graph() (*message, error) {
	g := new(message)
	for i := range m.Nodes {
		n, err := m.Nodes[i].message()
		if err != nil {
			return nil, err
		}
		g.sub(1, n)
	}
	g.text(2, m.Name)
	for i := range m.Initializers {
		t, err := m.Initializers[i].message()
		if err != nil {
			return nil, err
		}
		g.sub(5, t)
	}
	for _, v := range m.Inputs {
		g.sub(11, v.message())
	}
	for _, v := range m.Outputs {
		g.sub(12, v.message())
	}
	return g, nil
}

// message is the NodeProto.
func (n *Node) message() (*message, error) {
	m := new(message)
	for _, s := range n.Inputs {
		m.text(1, s)
	}
	for _, s := range n.Outputs {
		m.text(2, s)
	}
	m.text(3, n.Name)
	m.text(4, n.Op)
	for _, a := range n.Attrs {
		body, err := a.message()
		if err != nil {
			return nil, fmt.Errorf("node %q: attribute %q: %w", n.Name, a.name, err)
		}
		m.sub(5, body)
	}
	if n.Domain != "" {
		m.text(7, n.Domain)
	}
	return m, nil
}

// message is the ValueInfoProto.
func (v *Value) message() *message {
	m := new(message)
	m.text(1, v.Name)
	m.sub(2, v.Type.message())
	return m
}

// message is the TypeProto; an opaque or unknown kind is written as no type.
func (t *Type) message() *message {
	of := new(message)
	if t.Of != nil {
		of = t.Of.message()
	}
	m, body := new(message), new(message)
	switch t.Kind {
	case Tensor, SparseTensor:
		body.int(1, int64(t.Elem))
		if !t.Unranked {
			body.sub(2, shapeMessage(t.Dims))
		}
	case Map:
		body.int(1, int64(t.Elem))
		body.sub(2, of)
	case Sequence, Optional:
		body.sub(1, of)
	default:
		return m
	}
	fields := map[Kind]int{Tensor: 1, Sequence: 4, Map: 5, SparseTensor: 8, Optional: 9}
	m.sub(fields[t.Kind], body)
	return m
}

// shapeMessage is the TensorShapeProto.
func shapeMessage(dims []Dim) *message {
	m := new(message)
	for _, d := range dims {
		dim := new(message)
		switch {
		case d.Size >= 0:
			dim.int(1, d.Size)
		case d.Name != "":
			dim.text(2, d.Name)
		}
		m.sub(1, dim)
	}
	return m
}

// message is the StringStringEntryProto.
func (p Property) message() *message {
	m := new(message)
	m.text(1, p.Key)
	m.text(2, p.Value)
	return m
}
