package scheduler

import (
	"encoding/binary"
	"errors"
	"slices"

	"ganglion/internal/oip"
)

var errShortData = errors.New("data ends before its shape does")

// cursor walks the data of a tensor.
type cursor struct {
	rest []byte
	size int // of an element; 0 for BYTES, whose elements carry their length
}

// take returns the bytes of the next n elements.
func (c *cursor) take(n int64) ([]byte, error) {
	end := 0
	if c.size > 0 {
		if n < 0 || n > int64(len(c.rest)/c.size) {
			return nil, errShortData
		}
		end = int(n) * c.size
	} else {
		for range n {
			if len(c.rest)-end < bytesPrefix {
				return nil, errShortData
			}
			size := uint64(binary.LittleEndian.Uint32(c.rest[end:]))
			if size > uint64(len(c.rest)-end-bytesPrefix) {
				return nil, errShortData
			}
			end += bytesPrefix + int(size)
		}
	}
	taken := c.rest[:end:end]
	c.rest = c.rest[end:]
	return taken, nil
}

// bytesPrefix is the length in front of each element of a BYTES tensor.
const bytesPrefix = 4

// blocks splits a shape at an axis: how many blocks there are before it, and how many elements each of its steps takes.
func blocks(shape []int64, axis int) (outer, inner int64) {
	return product(shape[:axis]), product(shape[axis+1:])
}

func product(dims []int64) int64 {
	n := int64(1)
	for _, dim := range dims {
		n *= dim
	}
	return n
}

// paddedSize returns how many bytes a tensor takes when its ragged axis is made length long.
func paddedSize(t *oip.Tensor, in *RaggedInput, length int64) int {
	outer, inner := blocks(t.Shape, in.Axis)
	missing := outer * (length - t.Shape[in.Axis]) * inner
	if t.Datatype == oip.Bytes {
		return len(t.Data) + int(missing)*(bytesPrefix+len(in.Value))
	}
	return len(t.Data) + int(missing)*t.Datatype.Size()
}

// appendPadded appends the data of t with its ragged axis made length long.
func appendPadded(dst []byte, t *oip.Tensor, in *RaggedInput, length int64) ([]byte, error) {
	outer, inner := blocks(t.Shape, in.Axis)
	c := cursor{t.Data, t.Datatype.Size()}
	for range outer {
		block, err := c.take(t.Shape[in.Axis] * inner)
		if err != nil {
			return dst, err
		}
		dst = append(dst, block...)
		dst = appendElements(dst, t.Datatype, in.Value, (length-t.Shape[in.Axis])*inner)
	}
	return dst, nil
}

// appendElements appends n elements of the given value.
func appendElements(dst []byte, datatype oip.Datatype, value []byte, n int64) []byte {
	if datatype == oip.Bytes {
		for range n {
			dst = oip.AppendBytesElement(dst, value)
		}
		return dst
	}
	start, size := len(dst), int(n)*datatype.Size()
	dst = slices.Grow(dst, size)[:start+size]
	fill(dst[start:], value)
	return dst
}

// fill repeats value, or zero, over dst.
func fill(dst, value []byte) {
	if len(value) == 0 {
		clear(dst)
		return
	}
	for done := copy(dst, value); done > 0 && done < len(dst); {
		done += copy(dst[done:], dst[:done])
	}
}

// appendMask appends the mask of a request of so many rows.
func appendMask(dst []byte, d oip.Datatype, one []byte, rows, length, padded int64) []byte {
	for range rows {
		dst = appendElements(dst, d, one, length)
		dst = appendElements(dst, d, nil, padded-length)
	}
	return dst
}

// cut takes the padding out of a request's part of an output, in place: shape is the part's, padded at axis to more than
// length. It returns what is left of data.
func cut(data []byte, d oip.Datatype, shape []int64, axis int, length int64) ([]byte, error) {
	outer, inner := blocks(shape, axis)
	c := cursor{data, d.Size()}
	end := 0
	for range outer {
		kept, err := c.take(length * inner)
		if err != nil {
			return nil, err
		}
		if _, err := c.take((shape[axis] - length) * inner); err != nil {
			return nil, err
		}
		end += copy(data[end:], kept) // never ahead of the cursor
	}
	return data[:end:end], nil
}
