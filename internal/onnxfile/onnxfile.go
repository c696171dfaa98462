// Package onnxfile writes ONNX model files and reads what they say of
// themselves, with no ONNX or protobuf library.
//
// It owns the bytes of the file format: Model builds and writes a file; Read
// and ReadFile return a Summary of one (inputs and outputs with the names of
// their dynamic axes, operators, opsets, parameter count, external data). It
// refuses to run models, to check that a graph makes sense and to load weights:
// Read skips tensor data by offset, so summing up a 2 GB file costs a few reads.
// Files come from strangers: every length is checked against what is left,
// nesting and kept memory are bounded, and a file that is cut short is an error
// that says where.
//
// Nothing here is shared between calls: distinct Models and readers may be used
// from different goroutines, one Model by one goroutine at a time.
package onnxfile

import (
	"fmt"
	"strconv"
	"strings"
)

// ElementType is the type of a tensor's elements, numbered as
// TensorProto.DataType is.
type ElementType int32

// The element types of ONNX 1.20. A file may hold a newer one: its number is
// kept as it is.
const (
	Undefined      ElementType = 0
	Float          ElementType = 1
	Uint8          ElementType = 2
	Int8           ElementType = 3
	Uint16         ElementType = 4
	Int16          ElementType = 5
	Int32          ElementType = 6
	Int64          ElementType = 7
	String         ElementType = 8
	Bool           ElementType = 9
	Float16        ElementType = 10
	Double         ElementType = 11
	Uint32         ElementType = 12
	Uint64         ElementType = 13
	Complex64      ElementType = 14
	Complex128     ElementType = 15
	BFloat16       ElementType = 16
	Float8E4M3FN   ElementType = 17
	Float8E4M3FNUZ ElementType = 18
	Float8E5M2     ElementType = 19
	Float8E5M2FNUZ ElementType = 20
	Uint4          ElementType = 21
	Int4           ElementType = 22
	Float4E2M1     ElementType = 23
	Float8E8M0     ElementType = 24
	Uint2          ElementType = 25
	Int2           ElementType = 26
)

// elementInfo holds the name and the width in bits of every element type;
// strings have no width.
var elementInfo = [...]struct {
	name string
	bits int64
}{
	Undefined: {"undefined", 0}, Float: {"float32", 32}, Uint8: {"uint8", 8}, Int8: {"int8", 8},
	Uint16: {"uint16", 16}, Int16: {"int16", 16}, Int32: {"int32", 32}, Int64: {"int64", 64},
	String: {"string", 0}, Bool: {"bool", 8}, Float16: {"float16", 16}, Double: {"float64", 64},
	Uint32: {"uint32", 32}, Uint64: {"uint64", 64}, Complex64: {"complex64", 64}, Complex128: {"complex128", 128},
	BFloat16: {"bfloat16", 16}, Float8E4M3FN: {"float8e4m3fn", 8}, Float8E4M3FNUZ: {"float8e4m3fnuz", 8},
	Float8E5M2: {"float8e5m2", 8}, Float8E5M2FNUZ: {"float8e5m2fnuz", 8}, Uint4: {"uint4", 4}, Int4: {"int4", 4},
	Float4E2M1: {"float4e2m1", 4}, Float8E8M0: {"float8e8m0", 8}, Uint2: {"uint2", 2}, Int2: {"int2", 2},
}

// String is the type's lower-case name, such as "float32"; an unknown number
// reads "type99".
func (e ElementType) String() string {
	if e < 0 || int(e) >= len(elementInfo) {
		return "type" + strconv.Itoa(int(e))
	}
	return elementInfo[e].name
}

// Bits is the width of one element as raw data holds it (4 and 2 for the packed
// types), and 0 for strings, undefined and unknown types.
func (e ElementType) Bits() int64 {
	if e < 0 || int(e) >= len(elementInfo) {
		return 0
	}
	return elementInfo[e].bits
}

// Dim is one dimension of a shape: a size, or an axis whose size each run
// chooses. The zero value is a fixed size of 0.
type Dim struct {
	Size int64  // -1: dynamic
	Name string // of a dynamic axis, such as "batch"; may be empty
}

// Fixed is a dimension of n elements.
func Fixed(n int64) Dim { return Dim{Size: n} }

// Dynamic is an axis whose size each run chooses; equal names mean equal sizes.
func Dynamic(name string) Dim { return Dim{Size: -1, Name: name} }

// String is the size, the axis name, or "?" for a dynamic axis without one.
func (d Dim) String() string {
	switch {
	case d.Size >= 0:
		return strconv.FormatInt(d.Size, 10)
	case d.Name != "":
		return d.Name
	}
	return "?"
}

// Kind says what a value of a graph is made of.
type Kind uint8

// The kinds that onnx.proto names. Unknown is a value without a type, or with
// one newer than this package.
const (
	UnknownKind Kind = iota
	Tensor
	SparseTensor
	Sequence
	Map
	Optional
	Opaque
)

// String is the kind's lower-case name.
func (k Kind) String() string {
	names := [...]string{"unknown", "tensor", "sparse_tensor", "sequence", "map", "optional", "opaque"}
	if int(k) >= len(names) {
		return "kind" + strconv.Itoa(int(k))
	}
	return names[k]
}

// Type is the type of a graph's input or output.
type Type struct {
	Kind     Kind
	Elem     ElementType // tensors: of the elements; maps: of the keys
	Dims     []Dim       // tensors
	Unranked bool        // tensors that do not even say how many dimensions they have
	Of       *Type       // what sequences, maps and optionals hold; nil when the file does not say
}

// TensorOf is the type of a tensor; without dims it is a scalar's.
func TensorOf(elem ElementType, dims ...Dim) Type {
	return Type{Kind: Tensor, Elem: elem, Dims: dims}
}

// String reads like "float32[batch,4]" or "sequence(map(int64,float32[]))".
func (t Type) String() string {
	of := "?"
	if t.Of != nil {
		of = t.Of.String()
	}
	switch t.Kind {
	case Tensor, SparseTensor:
		prefix := ""
		if t.Kind == SparseTensor {
			prefix = "sparse "
		}
		return prefix + t.Elem.String() + t.shape()
	case Map:
		return fmt.Sprintf("map(%s,%s)", t.Elem, of)
	case Sequence, Optional:
		return fmt.Sprintf("%s(%s)", t.Kind, of)
	}
	return t.Kind.String()
}

// shape is the bracketed dimensions, "[...]" when the rank is unknown.
func (t Type) shape() string {
	if t.Unranked {
		return "[...]"
	}
	dims := make([]string, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = d.String()
	}
	return "[" + strings.Join(dims, ",") + "]"
}

// Value is a named input or output of a graph.
type Value struct {
	Name string
	Type Type
}

// Opset is the version of an operator domain that a model is written against;
// Domain "" is the standard one, ai.onnx.
type Opset struct {
	Domain  string
	Version int64
}

// Property is one entry of a model's metadata.
type Property struct {
	Key, Value string
}
