package oip

import (
	"encoding/binary"
	"fmt"
	"math"
)

// elementReader takes one JSON value off the scanner and appends it to dst in the wire layout. The scanner stands on the
// value's first byte. A fault is the predicate of a message whose subject the caller knows: " is 300, UINT8 accepts …".
// It is "" when all is well.
type elementReader func(s *scanner, dst []byte) (out []byte, fault string)

// elementReaderFor returns the reader for a datatype, nil for those that have no JSON form.
func elementReaderFor(d Datatype) elementReader {
	switch d {
	case Bool:
		return readBool
	case Uint8:
		return readUint8
	case Uint16:
		return readUint16
	case Uint32:
		return readUint32
	case Uint64:
		return readUint64
	case Int8:
		return readInt8
	case Int16:
		return readInt16
	case Int32:
		return readInt32
	case Int64:
		return readInt64
	case FP32:
		return readFP32
	case FP64:
		return readFP64
	case Bytes:
		return readBytes
	default:
		return nil
	}
}

// accepts says what a datatype takes, for messages.
func accepts(d Datatype) string {
	switch d {
	case Bool:
		return "BOOL accepts true and false"
	case Uint8, Uint16, Uint32, Uint64:
		return fmt.Sprintf("%s accepts whole numbers from 0 to %d", d, uint64(math.MaxUint64)>>(64-8*d.Size()))
	case Int8, Int16, Int32, Int64:
		most := int64(math.MaxInt64) >> (64 - 8*d.Size())
		return fmt.Sprintf("%s accepts whole numbers from %d to %d", d, -most-1, most)
	case FP32:
		return fmt.Sprintf("FP32 accepts numbers from %g to %g", float32(-math.MaxFloat32), float32(math.MaxFloat32))
	case FP64:
		return fmt.Sprintf("FP64 accepts numbers from %g to %g", -math.MaxFloat64, math.MaxFloat64)
	case Bytes:
		return "BYTES accepts strings"
	default:
		return d.String() + " has no JSON form"
	}
}

// outOfRange is the fault for a number that the datatype cannot hold.
func outOfRange(text []byte, d Datatype) string {
	return " is " + shortened(text) + ", " + accepts(d)
}

// wrongKind is the fault for a value that is no number where there should be one, and the like.
func (s *scanner) wrongKind(d Datatype) string {
	c, start := s.peek(), s.pos
	switch kind := valueKind(c); kind {
	case "a string", "an array", "an object":
		return " is " + kind + ", " + accepts(d)
	default: // short enough to be shown, if it is what it starts like
		if err := s.skip(); err != nil {
			return ": " + err.Error()
		}
		return outOfRange(s.buf[start:s.pos], d)
	}
}

// onNumber reports whether the scanner stands on a number.
func (s *scanner) onNumber() bool {
	return s.pos < len(s.buf) && (isDigit(s.buf[s.pos]) || s.buf[s.pos] == '-')
}

// signed takes an integer of a signed datatype.
func (s *scanner) signed(d Datatype) (value int64, fault string) {
	if !s.onNumber() {
		return 0, s.wrongKind(d)
	}
	start := s.pos
	magnitude, negative, fault := s.integer(d)
	if fault != "" {
		return 0, fault
	}
	most := uint64(math.MaxInt64) >> (64 - 8*d.Size())
	switch {
	case negative && magnitude <= most+1:
		return -int64(magnitude), ""
	case !negative && magnitude <= most:
		return int64(magnitude), ""
	}
	return 0, outOfRange(s.buf[start:s.pos], d)
}

// unsigned takes an integer of an unsigned datatype. -0 is a spelling of 0.
func (s *scanner) unsigned(d Datatype) (value uint64, fault string) {
	if !s.onNumber() {
		return 0, s.wrongKind(d)
	}
	start := s.pos
	magnitude, negative, fault := s.integer(d)
	if fault != "" {
		return 0, fault
	}
	most := uint64(math.MaxUint64) >> (64 - 8*d.Size())
	if magnitude > most || negative && magnitude != 0 {
		return 0, outOfRange(s.buf[start:s.pos], d)
	}
	return magnitude, ""
}

func readInt8(s *scanner, dst []byte) ([]byte, string) {
	v, fault := s.signed(Int8)
	return append(dst, byte(v)), fault
}

func readInt16(s *scanner, dst []byte) ([]byte, string) {
	v, fault := s.signed(Int16)
	return binary.LittleEndian.AppendUint16(dst, uint16(v)), fault
}

func readInt32(s *scanner, dst []byte) ([]byte, string) {
	v, fault := s.signed(Int32)
	return binary.LittleEndian.AppendUint32(dst, uint32(v)), fault
}

func readInt64(s *scanner, dst []byte) ([]byte, string) {
	v, fault := s.signed(Int64)
	return binary.LittleEndian.AppendUint64(dst, uint64(v)), fault
}

func readUint8(s *scanner, dst []byte) ([]byte, string) {
	v, fault := s.unsigned(Uint8)
	return append(dst, byte(v)), fault
}

func readUint16(s *scanner, dst []byte) ([]byte, string) {
	v, fault := s.unsigned(Uint16)
	return binary.LittleEndian.AppendUint16(dst, uint16(v)), fault
}

func readUint32(s *scanner, dst []byte) ([]byte, string) {
	v, fault := s.unsigned(Uint32)
	return binary.LittleEndian.AppendUint32(dst, uint32(v)), fault
}

func readUint64(s *scanner, dst []byte) ([]byte, string) {
	v, fault := s.unsigned(Uint64)
	return binary.LittleEndian.AppendUint64(dst, v), fault
}

func readFP32(s *scanner, dst []byte) ([]byte, string) {
	if !s.onNumber() {
		return dst, s.wrongKind(FP32)
	}
	start := s.pos
	d, err := s.number()
	if err != nil {
		return dst, ": " + err.Error()
	}
	f, ok := d.float32(s.buf[start:s.pos])
	if !ok {
		return dst, outOfRange(s.buf[start:s.pos], FP32)
	}
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(f)), ""
}

func readFP64(s *scanner, dst []byte) ([]byte, string) {
	if !s.onNumber() {
		return dst, s.wrongKind(FP64)
	}
	start := s.pos
	d, err := s.number()
	if err != nil {
		return dst, ": " + err.Error()
	}
	f, ok := d.float64(s.buf[start:s.pos])
	if !ok {
		return dst, outOfRange(s.buf[start:s.pos], FP64)
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), ""
}

func readBool(s *scanner, dst []byte) ([]byte, string) {
	if c := s.peek(); c != 't' && c != 'f' {
		return dst, s.wrongKind(Bool)
	}
	b, err := s.boolean()
	if err != nil {
		return dst, ": " + err.Error()
	}
	if b {
		return append(dst, 1), ""
	}
	return append(dst, 0), ""
}

func readBytes(s *scanner, dst []byte) ([]byte, string) {
	if s.peek() != '"' {
		return dst, s.wrongKind(Bytes)
	}
	start := len(dst)
	dst, err := s.appendString(append(dst, 0, 0, 0, 0))
	if err != nil {
		return dst, ": " + err.Error()
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-bytesPrefix))
	return dst, ""
}
