package oip

import (
	"encoding/binary"
	"iter"
	"math"
	"math/bits"
	"slices"
)

// Tensor is a named array of elements of one datatype.
type Tensor struct {
	Name     string
	Datatype Datatype
	Shape    []int64

	// Data is the wire layout of the binary tensor extension, whatever form the tensor arrived in: little endian, row
	// major, no padding; a BYTES element is its length as uint32 followed by its bytes. A decoded tensor's Data lies
	// either in the body it was decoded from (binary; any alignment) or in memory of the message that owns the tensor
	// (JSON; aligned to 8 bytes). It is only to be read, and only until that message is decoded into again.
	Data []byte

	// Parameters are what a client says about an input besides, but for those of the codec (binary_data_size): MLServer's
	// content_type, say. Those of outputs are not kept.
	Parameters Parameters
}

// ElementCount returns how many elements a tensor of this shape has: the product of its dimensions, 1 for rank 0. It
// refuses more than MaxRank dimensions, negative ones, and products beyond int64. The last holds even where another
// dimension is 0, so that no partial product a caller forms (a stride, say) can overflow either.
func ElementCount(shape []int64) (int64, error) {
	if len(shape) > MaxRank {
		return 0, invalid("shape has %d dimensions, at most %d are accepted", len(shape), MaxRank)
	}
	for i, dim := range shape {
		if dim < 0 {
			return 0, invalid("shape %s has the negative dimension %d at index %d", shapeText(shape), dim, i)
		}
	}
	extent, ok := extentOf(shape)
	if !ok {
		return 0, invalid("shape %s has more elements than 64 bits can count", shapeText(shape))
	}
	if slices.Contains(shape, 0) {
		return 0, nil
	}
	return extent, nil
}

// extentOf returns the product of a shape's dimensions above zero; ok is false when it is beyond int64. Unlike the number
// of elements it bounds what somebody who loops over the dimensions, or drops the empty one, is in for.
func extentOf(shape []int64) (extent int64, ok bool) {
	product := uint64(1)
	for _, dim := range shape {
		if dim <= 0 {
			continue
		}
		high, low := bits.Mul64(product, uint64(dim))
		if high != 0 || low > math.MaxInt64 {
			return 0, false
		}
		product = low
	}
	return int64(product), true
}

// Validate reports whether shape, datatype and Data agree. For BYTES it walks the length prefixes, for BOOL the values.
func (t *Tensor) Validate() error { return t.validate("tensor") }

// validate is Validate with the word that messages use for the tensor.
func (t *Tensor) validate(r role) error {
	count, err := ElementCount(t.Shape)
	if err != nil {
		return invalid("%s %s: %v", r, quoted(t.Name), err)
	}
	if t.Datatype == Bytes {
		return t.validateBytes(r, count)
	}
	size := int64(t.Datatype.Size())
	if size == 0 {
		return invalid("%s %s has no datatype", r, quoted(t.Name))
	}
	if have := int64(len(t.Data)); have%size != 0 || have/size != count {
		return invalid("%s %s holds %d bytes, shape %s of %s takes %d elements of %d bytes",
			r, quoted(t.Name), have, shapeText(t.Shape), t.Datatype, count, size)
	}
	if t.Datatype == Bool {
		return t.validateBools(r)
	}
	return nil
}

// validateBools refuses bytes that are neither 0 nor 1: in C++, which is going to read them, a bool that is neither is
// undefined behaviour.
func (t *Tensor) validateBools(r role) error {
	for i, b := range t.Data {
		if b > 1 {
			return invalid("%s %s: element %d is the byte %d, BOOL accepts 0 and 1", r, quoted(t.Name), i, b)
		}
	}
	return nil
}

// validateBytes walks the elements of a BYTES tensor.
func (t *Tensor) validateBytes(r role, count int64) error {
	var found int64
	for rest := t.Data; len(rest) > 0; found++ {
		_, after, ok := cutBytesElement(rest)
		if !ok {
			return invalid("%s %s: element %d of its BYTES data runs past the end of the data (%d bytes)",
				r, quoted(t.Name), found, len(t.Data))
		}
		rest = after
	}
	if found != count {
		return invalid("%s %s holds %d BYTES elements, shape %s takes %d", r, quoted(t.Name), found, shapeText(t.Shape), count)
	}
	return nil
}

// bytesPrefix is the length of the uint32 in front of each BYTES element.
const bytesPrefix = 4

// cutBytesElement splits the first element off a BYTES tensor's data.
func cutBytesElement(data []byte) (elem, rest []byte, ok bool) {
	if len(data) < bytesPrefix {
		return nil, nil, false
	}
	size := uint64(binary.LittleEndian.Uint32(data))
	if size > uint64(len(data)-bytesPrefix) {
		return nil, nil, false
	}
	end := bytesPrefix + int(size)
	return data[bytesPrefix:end:end], data[end:], true
}

// BytesElements yields the elements of a BYTES tensor's Data in order. The slices alias data. It stops at the first
// element that does not fit, which [Tensor.Validate] tells beforehand.
func BytesElements(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := data; len(rest) > 0; {
			elem, after, ok := cutBytesElement(rest)
			if !ok || !yield(elem) {
				return
			}
			rest = after
		}
	}
}

// AppendBytesElement appends one element of a BYTES tensor to its Data. An element is shorter than 4 GiB.
func AppendBytesElement[T ~string | ~[]byte](dst []byte, elem T) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(elem)))
	return append(dst, elem...)
}
