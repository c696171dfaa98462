package onnxfile

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// refused reads a file that must be refused with want in the message.
func refused(t *testing.T, what string, file []byte, want string) {
	t.Helper()
	_, err := Read(bytes.NewReader(file), int64(len(file)))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error is %v, want %q in it", what, err, want)
	}
}

// modelOf wraps a GraphProto in a ModelProto.
func modelOf(graph *message) []byte {
	m := new(message)
	m.sub(7, graph)
	return join(m)
}

func join(m *message) []byte {
	return bytes.Join(append(m.chunks, m.tail), nil)
}

func TestCutShortAnywhere(t *testing.T) {
	file := encode(t, &Model{Name: "m", Initializers: []Data{NewData("w", []float32{1, 2, 3}, 3)}, Nodes: []Node{{Op: "Relu"}}})
	graphEnds := bytes.LastIndex(file, []byte{8<<3 | wireBytes})
	for n := range graphEnds {
		_, err := Read(bytes.NewReader(file[:n]), int64(n))
		if err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(file))
		}
	}
	refused(t, "half of the file", file[:len(file)/2], "the file is cut short or damaged")
	refused(t, "no bytes", nil, "the file is empty")
}

func TestFileShrinksWhileRead(t *testing.T) {
	file := encode(t, everything())
	_, err := Read(bytes.NewReader(file[:len(file)/2]), int64(len(file)))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestNoModel(t *testing.T) {
	refused(t, "text", []byte("hello, this is no model"), "not an ONNX model")
	refused(t, "html", []byte("<!DOCTYPE html><html></html>"), "not an ONNX model")
	refused(t, "zeroes", make([]byte, 100), "no field begins here")
	refused(t, "git-lfs", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"), "git lfs pull")
	m := new(message)
	m.int(1, 8)
	refused(t, "no graph", join(m), "holds no graph")
}

func TestLyingLengths(t *testing.T) {
	refused(t, "2^63 bytes", []byte{7<<3 | wireBytes, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "9223372036854775807 bytes, 0 are left")
	refused(t, "2^64-1 bytes", []byte{7<<3 | wireBytes, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, "18446744073709551615 bytes, 0 are left")
	refused(t, "65 bits", []byte{1 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, "more than 64 bits")
	// The string claims one byte more than its message has, though the file goes on.
	inner := []byte{2<<3 | wireBytes, 2, 'm'}
	m := new(message)
	m.bytes(7, inner)
	m.text(2, "producer")
	refused(t, "beyond its message", join(m), "says 2 bytes, 1 are left")
}

func TestImpossibleSizes(t *testing.T) {
	tensor := func(dims ...int64) *message {
		m := new(message)
		for _, d := range dims {
			m.int(1, d)
		}
		m.text(8, "w")
		return m
	}
	graph := func(tensors ...*message) *message {
		g := new(message)
		for _, x := range tensors {
			g.sub(5, x)
		}
		return g
	}
	refused(t, "negative", modelOf(graph(tensor(-4))), "has a dimension of -4")
	refused(t, "product", modelOf(graph(tensor(1<<40, 1<<40))), "more than 9223372036854775807 elements")
	refused(t, "2^63", modelOf(graph(tensor(1<<62, 2))), "more than 9223372036854775807 elements")
	refused(t, "sum", modelOf(graph(tensor(1<<62), tensor(1<<62))), "more than 9223372036854775807 elements")
	s := read(t, modelOf(graph(tensor(1<<62, 0, 5), tensor(), tensor(2, 3))))
	if s.Parameters != 7 {
		t.Errorf("parameters are %d, want 7", s.Parameters)
	}
}

func TestPackedDimsCount(t *testing.T) {
	packed := new(message)
	packed.varint(300)
	packed.varint(2)
	tensor := new(message)
	tensor.bytes(1, packed.tail)
	g := new(message)
	g.sub(5, tensor)
	if s := read(t, modelOf(g)); s.Parameters != 600 {
		t.Errorf("parameters are %d, want 600", s.Parameters)
	}
	tensor.bytes(1, []byte{0x80})
	g = new(message)
	g.sub(5, tensor)
	refused(t, "cut short", modelOf(g), "ends inside a number")
}

func TestDepthIsBounded(t *testing.T) {
	graph := new(message)
	for range maxDepth {
		attr, node, outer := new(message), new(message), new(message)
		attr.sub(6, graph)
		node.sub(5, attr)
		outer.sub(1, node)
		graph = outer
	}
	refused(t, "subgraphs", modelOf(graph), "nested more than 100 deep")
}

func TestKeptMemoryIsBounded(t *testing.T) {
	prop := new(message)
	prop.text(1, "k")
	prop.text(2, strings.Repeat("x", 1<<20))
	m := new(message)
	m.sub(7, new(message))
	for range maxKept>>20 + 1 {
		m.sub(14, prop)
	}
	refused(t, "metadata", join(m), "take more than 64 MiB")

	m = new(message)
	m.sub(7, new(message))
	for range maxKept/keptOverhead + 1 {
		m.sub(8, new(message))
	}
	refused(t, "opsets", join(m), "take more than 64 MiB")

	node := new(message)
	node.text(4, strings.Repeat("x", maxName+1))
	g := new(message)
	g.sub(1, node)
	refused(t, "operator", modelOf(g), "at most 4096 are accepted")
}

func TestKnownNumbersOfOtherWireTypesAreUnknownFields(t *testing.T) {
	g := new(message)
	g.int(5, 1)   // initializer
	g.float(1, 1) // node
	m := new(message)
	m.sub(7, g)
	m.text(1, "no number") // ir_version
	m.tag(99, wire64)
	m.put(make([]byte, 8))
	if s := read(t, join(m)); s.IRVersion != 0 || s.Parameters != 0 || len(s.Ops) != 0 {
		t.Errorf("summary is %+v, want nothing counted", s)
	}
}
