package oip

import (
	"encoding/binary"
	"unicode/utf8"
)

// The wire types of protobuf. Types 3 and 4 open and close groups, which proto3 does not have.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// protoReader walks the fields of one protobuf message. After an error the position is of no use.
type protoReader struct {
	buf  []byte
	pos  int
	base int // where buf starts in the whole message, for errors
	wire int // of the field whose key was read last
}

// more reports whether another field follows.
func (p *protoReader) more() bool { return p.pos < len(p.buf) }

// fail returns the error for a message that is not protobuf, at the current position.
func (p *protoReader) fail(format string, args ...any) error {
	return invalid("invalid protobuf message at byte %d: %v", p.base+p.pos, invalid(format, args...))
}

// next reads the key of a field and returns its number.
func (p *protoReader) next() (field int, err error) {
	key, err := p.varint()
	if err != nil {
		return 0, err
	}
	const highest = 1<<29 - 1
	p.wire = int(key & 7)
	if key>>3 == 0 || key>>3 > highest {
		return 0, p.fail("there is no field %d", key>>3)
	}
	return int(key >> 3), nil
}

// varint reads a number of up to 64 bits.
func (p *protoReader) varint() (uint64, error) {
	if p.pos < len(p.buf) && p.buf[p.pos] < 0x80 {
		p.pos++
		return uint64(p.buf[p.pos-1]), nil
	}
	value, size := binary.Uvarint(p.buf[p.pos:])
	if size <= 0 {
		return 0, p.fail("a number is cut off or longer than 64 bits")
	}
	p.pos += size
	return value, nil
}

// bytes reads the value of a field that has a length: a string, bytes, a message or packed numbers. It aliases the
// message.
func (p *protoReader) bytes(what string) ([]byte, error) {
	if err := p.expect(what, wireBytes); err != nil {
		return nil, err
	}
	size, err := p.varint()
	if err != nil {
		return nil, err
	}
	if size > uint64(len(p.buf)-p.pos) {
		return nil, p.fail("%s has %d bytes, %d are left", what, size, len(p.buf)-p.pos)
	}
	start := p.pos
	p.pos += int(size)
	return p.buf[start:p.pos:p.pos], nil
}

// text reads a string, which proto3 wants to be UTF-8.
func (p *protoReader) text(what string) ([]byte, error) {
	b, err := p.bytes(what)
	if err == nil && !utf8.Valid(b) {
		err = p.fail("%s is not valid UTF-8", what)
	}
	return b, err
}

// message reads an embedded message and returns the reader for it.
func (p *protoReader) message(what string) (protoReader, error) {
	b, err := p.bytes(what)
	return protoReader{buf: b, base: p.base + p.pos - len(b)}, err
}

// number reads the value of a field that is a varint.
func (p *protoReader) number(what string) (uint64, error) {
	if err := p.expect(what, wireVarint); err != nil {
		return 0, err
	}
	return p.varint()
}

// fixed reads the value of a field of 4 or 8 bytes. It aliases the message.
func (p *protoReader) fixed(size int) ([]byte, error) {
	if len(p.buf)-p.pos < size {
		return nil, p.fail("a number of %d bytes is cut off", size)
	}
	p.pos += size
	return p.buf[p.pos-size : p.pos : p.pos], nil
}

// expect refuses a field of another wire type than its own.
func (p *protoReader) expect(what string, wire int) error {
	if p.wire != wire {
		return p.fail("%s has wire type %d, expected %d", what, p.wire, wire)
	}
	return nil
}

// skip reads the value of an unknown field.
func (p *protoReader) skip() (err error) {
	switch p.wire {
	case wireVarint:
		_, err = p.varint()
	case wireFixed64:
		_, err = p.fixed(8)
	case wireFixed32:
		_, err = p.fixed(4)
	case wireBytes:
		_, err = p.bytes("a field")
	default:
		err = p.fail("wire type %d is not supported", p.wire)
	}
	return err
}
