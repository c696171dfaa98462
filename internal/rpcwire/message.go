package rpcwire

import (
	"errors"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Message is a protobuf message as bytes, for calls with the codec of NewCodec: grpc fills one that is received and reads one
// that is sent. The zero value is ready to be received.
type Message struct {
	in  mem.Buffer      // received; nil = nothing yet
	out mem.BufferSlice // to be sent; grpc frees it
}

// NewMessage makes a message to be sent once, of parts that follow each other. They are copied: grpc goes on reading what it
// sends for a while after a call was cancelled, when the parts' memory may be another call's already.
func NewMessage(parts ...[]byte) *Message {
	m := &Message{out: make(mem.BufferSlice, 0, len(parts))}
	for _, part := range parts {
		m.out = append(m.out, mem.Copy(part, mem.DefaultBufferPool()))
	}
	return m
}

// HandOver makes a message of buffers, to be sent once. They are grpc's from then on, which frees them.
func HandOver(buffers ...mem.Buffer) *Message { return &Message{out: buffers} }

// Bytes is what was received, in one piece, until Free.
func (m *Message) Bytes() []byte {
	if m.in == nil {
		return nil
	}
	return m.in.ReadOnlyData()
}

// Free gives the received bytes back to grpc. A message that has none is left as it is.
func (m *Message) Free() {
	if m.in != nil {
		m.in.Free()
		m.in = nil
	}
}

// codec passes messages through as they are, and leaves the generated types to the codec that everybody has.
type codec struct{ generated encoding.CodecV2 }

// NewCodec makes the codec of servers and clients that do not want inferences decoded. It knows a *Message and the generated
// types.
func NewCodec() encoding.CodecV2 { return codec{encoding.GetCodecV2(proto.Name)} }

// Name implements encoding.CodecV2: on the wire it is protobuf like any other.
func (codec) Name() string { return proto.Name }

// Unmarshal implements encoding.CodecV2. A message that came in one piece is taken over as it is. One of several is copied
// once: the tensors in it have to be in one piece each.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*Message)
	if !ok {
		return c.generated.Unmarshal(data, v)
	}
	m.Free() // grpc looks whether a second message comes where only one may
	m.in = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*Message)
	if !ok {
		return c.generated.Marshal(v)
	}
	if m.out == nil {
		return nil, errors.New("BUG: message sent twice")
	}
	out := m.out
	m.out = nil
	return out, nil
}
