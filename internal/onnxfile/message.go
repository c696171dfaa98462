package onnxfile

import (
	"encoding/binary"
	"math"
)

// The wire types of protobuf that ONNX uses.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// aliasFrom is the length from which message keeps a reference instead of a
// copy: below it, the slice header and the extra write cost more than the copy.
const aliasFrom = 4 << 10

// message is a protobuf message being written. Long byte fields are referred
// to, not copied, so nesting a message costs nothing per byte of tensor data.
type message struct {
	chunks [][]byte // complete, in order
	tail   []byte   // follows the chunks, still growing
	size   int      // of chunks and tail
}

// tag starts a field.
func (m *message) tag(field, wire int) {
	m.varint(uint64(field)<<3 | uint64(wire))
}

// varint appends v alone, without a tag.
func (m *message) varint(v uint64) {
	before := len(m.tail)
	m.tail = binary.AppendUvarint(m.tail, v)
	m.size += len(m.tail) - before
}

// int writes an integer or enum field.
func (m *message) int(field int, v int64) {
	m.tag(field, wireVarint)
	m.varint(uint64(v))
}

// float writes a float field.
func (m *message) float(field int, v float32) {
	m.tag(field, wire32)
	m.tail = binary.LittleEndian.AppendUint32(m.tail, math.Float32bits(v))
	m.size += 4
}

// text writes a string field.
func (m *message) text(field int, s string) {
	m.tag(field, wireBytes)
	m.varint(uint64(len(s)))
	m.tail = append(m.tail, s...)
	m.size += len(s)
}

// bytes writes a byte field; a long p must not change until the message has
// been written.
func (m *message) bytes(field int, p []byte) {
	m.tag(field, wireBytes)
	m.varint(uint64(len(p)))
	m.put(p)
}

// sub writes a nested message.
func (m *message) sub(field int, s *message) {
	m.tag(field, wireBytes)
	m.varint(uint64(s.size))
	for _, c := range s.chunks {
		m.put(c)
	}
	m.put(s.tail)
}

// put appends bytes that are already encoded.
func (m *message) put(p []byte) {
	m.size += len(p)
	if len(p) < aliasFrom {
		m.tail = append(m.tail, p...)
		return
	}
	m.chunks = append(m.chunks, m.tail, p)
	m.tail = nil
}
