package onnxfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Data is a tensor with its values: an initializer, or a tensor attribute.
// One of Raw, Strings and External holds them.
type Data struct {
	Name string
	Elem ElementType
	Dims []int64

	Raw      []byte     // every type but strings: little endian, row major, packed
	Strings  []string   // Elem String
	External []Property // values in another file: "location", "offset", "length"
}

// Number is what NewData takes: the Go types that an element type stands for.
// Tensors of the others (float16, int4, ...) are literals of Data with Raw set.
type Number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// NewData copies values into a tensor of the matching element type; without
// dims it is a scalar.
func NewData[T Number](name string, values []T, dims ...int64) Data {
	// Append writes every type of Number as ONNX keeps it, bools as one byte
	// each; it fails only for types that Number shuts out.
	raw, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		panic(fmt.Sprintf("BUG: no encoding for %T: %v", values, err))
	}
	return Data{Name: name, Elem: elementOf[T](), Dims: dims, Raw: raw}
}

// NewStrings is a tensor of strings, which it keeps without copying.
func NewStrings(name string, values []string, dims ...int64) Data {
	return Data{Name: name, Elem: String, Dims: dims, Strings: values}
}

// elementOf is the element type that holds Go values of type T.
func elementOf[T Number]() ElementType {
	switch any(*new(T)).(type) {
	case float32:
		return Float
	case float64:
		return Double
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	}
	return Bool
}

// message is the TensorProto.
func (d *Data) message() (*message, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("tensor %q: %w", d.Name, err)
	}
	m := new(message)
	for _, n := range d.Dims {
		m.int(1, n)
	}
	m.int(2, int64(d.Elem))
	for _, s := range d.Strings {
		m.text(6, s)
	}
	m.text(8, d.Name)
	switch {
	case d.External != nil:
		for _, p := range d.External {
			m.sub(13, p.message())
		}
		m.int(14, 1) // data_location EXTERNAL
	case d.Elem != String:
		m.bytes(9, d.Raw)
	}
	return m, nil
}

// check compares the values with the shape.
func (d *Data) check() error {
	n, err := elements(d.Dims)
	switch {
	case err != nil:
		return err
	case d.External != nil:
		if d.Raw != nil || d.Strings != nil {
			return errors.New("has external data and values of its own: one of them is accepted")
		}
		return nil
	case d.Elem == String:
		if d.Raw != nil || int64(len(d.Strings)) != n {
			return fmt.Errorf("has %d strings, its shape %v needs %d", len(d.Strings), d.Dims, n)
		}
		return nil
	case d.Elem.Bits() == 0:
		return fmt.Errorf("has element type %s: it cannot hold values", d.Elem)
	case d.Strings != nil:
		return fmt.Errorf("has strings, but element type %s", d.Elem)
	}
	want, ok := rawSize(n, d.Elem.Bits())
	if !ok || int64(len(d.Raw)) != want {
		return fmt.Errorf("has %d bytes, its shape %v of %s needs %d", len(d.Raw), d.Dims, d.Elem, want)
	}
	return nil
}

// elements is the checked product of a shape's dimensions, 1 for a scalar.
func elements(dims []int64) (int64, error) {
	n := int64(1)
	for _, d := range dims {
		var err error
		if n, err = scale(n, d); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// scale multiplies n elements by one more dimension.
func scale(n, dim int64) (int64, error) {
	if dim < 0 {
		return 0, fmt.Errorf("has a dimension of %d: constants need sizes of 0 or more", dim)
	}
	hi, lo := bits.Mul64(uint64(n), uint64(dim))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, fmt.Errorf("has more than %d elements", int64(math.MaxInt64))
	}
	return int64(lo), nil
}

// rawSize is the bytes that n elements fill, the last one padded to a byte.
func rawSize(n, bitsEach int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(n), uint64(bitsEach))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	return int64((lo + 7) / 8), true
}
