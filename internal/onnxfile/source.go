package onnxfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	// windowSize is how much of the file is in memory at a time. The headers
	// of a tensor take about 100 bytes and its weights follow, so a larger
	// window would mostly read weights for nothing.
	windowSize = 16 << 10

	// maxDepth is protobuf's own limit on nested messages: ONNX Runtime
	// could not load a deeper file either.
	maxDepth = 100

	// maxKept bounds the memory a Summary and its making take, whatever the
	// file's size: models with 100,000 tensors keep a tenth of it.
	maxKept = 64 << 20

	// maxName bounds names that are read only to be compared or counted. The
	// longest that exporters make are a few hundred bytes of module path.
	maxName = 4 << 10

	// keptOverhead is what a kept string costs beside its bytes: headers, its
	// map entry or slice element.
	keptOverhead = 64
)

var errNoVarint = errors.New("holds a number of more than 64 bits")

// source reads protobuf fields from a file through one small window.
type source struct {
	r      io.ReaderAt
	size   int64
	window []byte // the file from start on; a part of buf
	start  int64
	kept   int64
	buf    [windowSize]byte
}

// span is one message: bytes pos to end of the file.
type span struct {
	what     string // for errors, such as "graph"
	pos, end int64
	depth    int
}

// field is one field of a message; span is its content when wire is wireBytes.
type field struct {
	num   int
	wire  int
	value uint64
	span  span
}

// is reports whether f is the field that num and wire name. A known number with
// another wire type is an unknown field, as it is for protobuf.
func (f *field) is(num, wire int) bool {
	return f.num == num && f.wire == wire
}

// message is f's content as a nested message called what.
func (f *field) message(what string) span {
	s := f.span
	s.what = what
	return s
}

// walk calls visit for every field of m, in file order.
func (s *source) walk(m span, visit func(f field) error) error {
	if m.depth > maxDepth {
		return fmt.Errorf("%s at byte %d: nested more than %d deep", m.what, m.pos, maxDepth)
	}
	for pos := m.pos; pos < m.end; {
		f, next, err := s.field(pos, m)
		if err != nil {
			return fmt.Errorf("%s at byte %d: %w", m.what, pos, err)
		}
		if err := visit(f); err != nil {
			return err
		}
		pos = next
	}
	return nil
}

// field reads the field at pos in m and says where the next one begins.
func (s *source) field(pos int64, m span) (f field, next int64, err error) {
	tag, pos, err := s.varint(pos, m.end)
	if err != nil {
		return field{}, 0, err
	}
	if tag>>3 == 0 || tag > math.MaxUint32 {
		return field{}, 0, fmt.Errorf("no field begins here (tag %d): not an ONNX model, or damaged", tag)
	}
	f = field{num: int(tag >> 3), wire: int(tag & 7)}
	switch f.wire {
	case wireVarint:
		f.value, pos, err = s.varint(pos, m.end)
	case wire64, wire32:
		width := int64(8)
		if f.wire == wire32 {
			width = 4
		}
		f.value, err = s.fixed(pos, m.end, width)
		pos += width
	case wireBytes:
		var length uint64
		if length, pos, err = s.varint(pos, m.end); err != nil {
			break
		}
		if left := m.end - pos; length > uint64(left) {
			err = fmt.Errorf("field %d says %d bytes, %d are left: the file is cut short or damaged", f.num, length, left)
			break
		}
		f.span = span{what: "field", pos: pos, end: pos + int64(length), depth: m.depth + 1}
		pos = f.span.end
	default:
		err = fmt.Errorf("field %d has wire type %d: not an ONNX model, or damaged", f.num, f.wire)
	}
	return f, pos, err
}

// varint reads the number at pos and says where it ends; it never reads at end.
func (s *source) varint(pos, end int64) (uint64, int64, error) {
	var v uint64
	for shift := uint(0); shift < 64; shift += 7 {
		if pos >= end {
			return 0, 0, errors.New("ends inside a number: the file is cut short or damaged")
		}
		if err := s.load(pos); err != nil {
			return 0, 0, err
		}
		c := s.window[pos-s.start]
		pos++
		if shift == 63 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, pos, nil
		}
	}
	return 0, 0, errNoVarint
}

// fixed reads a little-endian number of width bytes.
func (s *source) fixed(pos, end, width int64) (uint64, error) {
	if end-pos < width {
		return 0, fmt.Errorf("ends inside a number of %d bytes: the file is cut short or damaged", width)
	}
	var b [8]byte
	if err := s.read(b[:width], pos); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// keep takes n bytes and one entry from the memory that one summary may use.
func (s *source) keep(n int64) error {
	s.kept += n + keptOverhead
	if s.kept > maxKept {
		return fmt.Errorf("names and metadata take more than %d MiB", maxKept>>20)
	}
	return nil
}

// text reads a string field that stays in memory.
func (s *source) text(f field) (string, error) {
	if err := s.keep(f.span.end - f.span.pos); err != nil {
		return "", err
	}
	return s.string(f)
}

// name reads a string field that the caller drops, or keeps by itself.
func (s *source) name(f field) (string, error) {
	if n := f.span.end - f.span.pos; n > maxName {
		return "", fmt.Errorf("a name at byte %d has %d bytes: at most %d are accepted", f.span.pos, n, maxName)
	}
	return s.string(f)
}

// string reads a field whose length has been judged.
func (s *source) string(f field) (string, error) {
	b := make([]byte, f.span.end-f.span.pos)
	if err := s.read(b, f.span.pos); err != nil {
		return "", err
	}
	return string(b), nil
}

// read fills b from pos on.
func (s *source) read(b []byte, pos int64) error {
	for len(b) > 0 {
		if err := s.load(pos); err != nil {
			return err
		}
		n := copy(b, s.window[pos-s.start:])
		b, pos = b[n:], pos+int64(n)
	}
	return nil
}

// load sees to it that the window holds the byte at pos.
func (s *source) load(pos int64) error {
	if pos >= s.start && pos-s.start < int64(len(s.window)) {
		return nil
	}
	want := min(windowSize, s.size-pos)
	n, err := s.r.ReadAt(s.buf[:want], pos)
	s.window, s.start = s.buf[:n], pos
	if n > 0 {
		return nil // an error at a later byte comes back when that byte is asked for
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("cannot read byte %d of %d: %w", pos, s.size, err)
}
