package onnxfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ReadTensor reads a serialized TensorProto, which is what the test vectors beside ONNX models are. Whatever field of the
// message the values came in, they are in Strings or Raw. It takes memory for at most eight bytes for each byte of b.
func ReadTensor(b []byte) (Data, error) {
	t := tensorReader{src: &source{r: bytes.NewReader(b), size: int64(len(b))}}
	if err := t.src.walk(span{what: "tensor", end: int64(len(b))}, t.field); err != nil {
		return Data{}, err
	}
	if t.external {
		return Data{}, errors.New("keeps its values in another file: want them in the tensor itself")
	}
	if err := t.settle(); err != nil {
		return Data{}, fmt.Errorf("tensor %q: %w", t.data.Name, err)
	}
	return t.data, nil
}

// tensorReader fills one Data. Values wait in the width of the field they came in until the element type is known, which
// may be last.
type tensorReader struct {
	src      *source
	data     Data
	numbers  []uint64 // of the fields for one kind of number
	external bool
}

// field reads a field of a TensorProto.
func (t *tensorReader) field(f field) (err error) {
	switch f.num {
	case 1: // dims
		return t.each(f, wireVarint, func(v uint64) { t.data.Dims = append(t.data.Dims, int64(v)) })
	case 2:
		t.data.Elem = ElementType(f.value) //nolint:gosec // a wrong number is refused with the values
	case 4: // float_data
		return t.each(f, wire32, t.number)
	case 5, 7, 11: // int32_data, int64_data, uint64_data
		return t.each(f, wireVarint, t.number)
	case 6:
		var s string
		s, err = t.src.string(f)
		t.data.Strings = append(t.data.Strings, s)
	case 8:
		t.data.Name, err = t.src.name(f)
	case 9:
		t.data.Raw = make([]byte, f.span.end-f.span.pos)
		err = t.src.read(t.data.Raw, f.span.pos)
	case 10: // double_data
		return t.each(f, wire64, t.number)
	case 13:
		t.external = true
	}
	return err
}

func (t *tensorReader) number(v uint64) { t.numbers = append(t.numbers, v) }

// each reads a repeated field, packed or not.
func (t *tensorReader) each(f field, wire int, take func(uint64)) error {
	if f.wire == wire {
		take(f.value)
		return nil
	}
	if f.wire != wireBytes {
		return fmt.Errorf("field %d has wire type %d, want %d", f.num, f.wire, wire)
	}
	for pos := f.span.pos; pos < f.span.end; {
		v, next, err := t.packed(pos, f.span.end, wire)
		if err != nil {
			return fmt.Errorf("field %d at byte %d: %w", f.num, pos, err)
		}
		take(v)
		pos = next
	}
	return nil
}

// packed reads one number of a packed field and says where the next one begins.
func (t *tensorReader) packed(pos, end int64, wire int) (v uint64, next int64, err error) {
	switch wire {
	case wire32:
		v, err = t.src.fixed(pos, end, 4)
		return v, pos + 4, err
	case wire64:
		v, err = t.src.fixed(pos, end, 8)
		return v, pos + 8, err
	default:
		return t.src.varint(pos, end)
	}
}

// settle brings the values into the form that Data has for them.
func (t *tensorReader) settle() error {
	d := &t.data
	if len(t.numbers) > 0 {
		if d.Raw != nil {
			return errors.New("has raw data and numbers: one of them is accepted")
		}
		width := d.Elem.Bits() / 8
		if width == 0 {
			return fmt.Errorf("has numbers, but element type %s", d.Elem)
		}
		for _, v := range t.numbers {
			d.Raw = appendNumber(d.Raw, v, width)
		}
		t.numbers = nil
	}
	return d.check()
}

// appendNumber appends the low bytes of v. A negative number came as 64 bits, whose low ones are those of any width.
func appendNumber(raw []byte, v uint64, width int64) []byte {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return append(raw, b[:min(width, int64(len(b)))]...)
}
