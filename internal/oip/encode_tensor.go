package oip

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// elementWriter appends one element off the front of data, which has one, as JSON. ok is false when JSON has no form for
// it.
type elementWriter func(dst, data []byte) (out []byte, ok bool)

// elementWriterFor returns the writer for a datatype, nil for those that valueWriter writes itself or JSON has no form for.
func elementWriterFor(d Datatype) elementWriter {
	switch d {
	case Bool:
		return writeBool
	case Uint8:
		return writeUint8
	case Uint16:
		return writeUint16
	case Uint32:
		return writeUint32
	case Uint64:
		return writeUint64
	case Int8:
		return writeInt8
	case Int16:
		return writeInt16
	case Int32:
		return writeInt32
	case Int64:
		return writeInt64
	case FP64:
		return writeFP64
	default:
		return nil
	}
}

func writeBool(dst, data []byte) ([]byte, bool) { return strconv.AppendBool(dst, data[0] != 0), true }

func writeUint8(dst, data []byte) ([]byte, bool) {
	return strconv.AppendUint(dst, uint64(data[0]), 10), true
}

func writeUint16(dst, data []byte) ([]byte, bool) {
	return strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint16(data)), 10), true
}

func writeUint32(dst, data []byte) ([]byte, bool) {
	return strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint32(data)), 10), true
}

func writeUint64(dst, data []byte) ([]byte, bool) {
	return strconv.AppendUint(dst, binary.LittleEndian.Uint64(data), 10), true
}

func writeInt8(dst, data []byte) ([]byte, bool) {
	return strconv.AppendInt(dst, int64(int8(data[0])), 10), true
}

func writeInt16(dst, data []byte) ([]byte, bool) {
	return strconv.AppendInt(dst, int64(int16(binary.LittleEndian.Uint16(data))), 10), true
}

func writeInt32(dst, data []byte) ([]byte, bool) {
	return strconv.AppendInt(dst, int64(int32(binary.LittleEndian.Uint32(data))), 10), true
}

func writeInt64(dst, data []byte) ([]byte, bool) {
	return strconv.AppendInt(dst, int64(binary.LittleEndian.Uint64(data)), 10), true
}

func writeFP64(dst, data []byte) ([]byte, bool) {
	f := math.Float64frombits(binary.LittleEndian.Uint64(data))
	if !finite(f) {
		return dst, false
	}
	return appendFP64(dst, f), true
}

func finite(f float64) bool { return f-f == 0 }

// valueWriter writes a tensor's elements as JSON, in order, in as many pieces as its user likes.
type valueWriter struct {
	tensor *Tensor
	hint   string // how else the client can have it
	write  elementWriter
	rest   []byte // elements not yet written
	index  int64  // flat index of the next
}

// What a client can do about values that JSON cannot carry.
const (
	inputHint  = "send it as binary data"
	outputHint = `ask for it as binary data (parameter "binary_data": true)`
	v1Hint     = `ask for it with /v2/models/NAME/infer as binary data (parameter "binary_data": true)`
)

// newValueWriter returns a writer for t, or an error if its data is not what it says or JSON has no form for it.
func newValueWriter(t *Tensor, hint string) (valueWriter, error) {
	w := valueWriter{tensor: t, rest: t.Data, hint: hint, write: elementWriterFor(t.Datatype)}
	if err := t.validate("tensor"); err != nil {
		return w, Errorf(Internal, "%v", err)
	}
	if !t.Datatype.jsonCarries() {
		return w, invalid("sending %s data via JSON is not supported for tensor %s; %s", t.Datatype, quoted(t.Name), hint)
	}
	return w, nil
}

// appendRow appends the next n elements, with commas between them.
func (w *valueWriter) appendRow(dst []byte, n int64) ([]byte, error) {
	switch w.tensor.Datatype {
	case Bytes:
		return w.appendStrings(dst, n)
	case FP32:
		return w.appendFP32s(dst, n)
	}
	size := w.tensor.Datatype.Size()
	const typical = 8 // bytes of a number and its comma, more or less; append sees to the rest
	dst = slices.Grow(dst, int(n)*typical)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		var ok bool
		if dst, ok = w.write(dst, w.rest); !ok {
			return dst, w.unwritable(i)
		}
		w.rest = w.rest[size:]
	}
	w.index += n
	return dst, nil
}

// appendFP32s is appendRow for FP32, what nearly all large answers are made of: a loop of its own, without a call through
// an elementWriter for each element.
func (w *valueWriter) appendFP32s(dst []byte, n int64) ([]byte, error) {
	const size, block, exponent = 4, 64, 0x7f800000 // a block is as many as room is made for at once
	data := w.rest[:n*size]
	for index := int64(0); index < n; {
		dst = slices.Grow(dst, int(min(block, n-index))*(longestFP32+2))
		room, used := dst[len(dst):cap(dst)], 0
		for end := min(index+block, n); index < end; index++ {
			b := binary.LittleEndian.Uint32(data[index*size:])
			if b&exponent == exponent {
				w.rest = data[index*size:]
				return dst, w.unwritable(index)
			}
			room[used] = '-' // overwritten by what is not below zero
			used += int(b >> 31)
			out := (*[longestFP32]byte)(room[used:])
			length := uint(putFP32(out, b))
			out[length%longestFP32] = ','
			used += int(length) + 1
		}
		dst = dst[:len(dst)+used]
	}
	w.rest = w.rest[len(data):]
	w.index += n
	if n > 0 {
		dst = dst[:len(dst)-1]
	}
	return dst, nil
}

// appendStrings is appendRow for BYTES.
func (w *valueWriter) appendStrings(dst []byte, n int64) ([]byte, error) {
	for i := range n {
		elem, rest, _ := cutBytesElement(w.rest)
		if !utf8.Valid(elem) {
			return dst, w.unwritable(i)
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(dst, elem)
		w.rest = rest
	}
	w.index += n
	return dst, nil
}

// unwritable is the error for the element i of the row being written. It is the request's to mend, not the model's or the
// node's: the same answer is fine as binary data.
func (w *valueWriter) unwritable(i int64) error {
	what := "not UTF-8"
	switch w.tensor.Datatype {
	case FP32:
		what = strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(w.rest))), 'g', -1, 32)
	case FP64:
		what = strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(w.rest)), 'g', -1, 64)
	}
	return invalid("tensor %s: element %d is %s, which JSON cannot carry; %s", quoted(w.tensor.Name), w.index+i, what, w.hint)
}

// appendData appends the "data" member of a tensor, flat.
func appendData(dst []byte, t *Tensor, hint string) ([]byte, error) {
	w, err := newValueWriter(t, hint)
	if err != nil {
		return dst, err
	}
	count, err := ElementCount(t.Shape)
	if err != nil {
		return dst, err
	}
	dst = append(dst, `,"data":[`...)
	if dst, err = w.appendRow(dst, count); err != nil {
		return dst, err
	}
	return append(dst, ']'), nil
}

// appendBinarySize appends the parameters of a tensor whose data follows the JSON, and leaves their bracket open.
func appendBinarySize(dst []byte, t *Tensor) ([]byte, error) {
	if err := t.validate("tensor"); err != nil {
		return dst, Errorf(Internal, "%v", err)
	}
	dst = append(dst, `,"parameters":{"binary_data_size":`...)
	return strconv.AppendInt(dst, int64(len(t.Data)), 10), nil
}
