package rpc

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // what the calls that are no inferences are decoded with
	"google.golang.org/grpc/mem"

	_ "ganglion/internal/rpcwire" // lets clients compress; what a message inflates to is held against MaxMessage
)

// message is a protobuf message as bytes. grpc fills one that is received and reads one that is sent.
type message struct {
	in  mem.Buffer      // received; nil = nothing yet
	out mem.BufferSlice // to be sent; grpc frees it
}

// bytes is what was received, until free.
func (m *message) bytes() []byte {
	if m.in == nil {
		return nil
	}
	return m.in.ReadOnlyData()
}

// free gives the received bytes back to grpc.
func (m *message) free() {
	if m.in != nil {
		m.in.Free()
		m.in = nil
	}
}

// codec passes messages through as they are, and leaves the generated types to the codec that everybody has.
type codec struct{ generated encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Name implements encoding.CodecV2: on the wire it is protobuf like any other.
func (c codec) Name() string { return "proto" }

// Unmarshal implements encoding.CodecV2. A message that came in one frame is taken over as it is; one of several is copied
// once, to be in one piece.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*message)
	if !ok {
		return c.generated.Unmarshal(data, v)
	}
	m.free() // grpc looks for a second message where only one may be
	m.in = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*message)
	if !ok {
		return c.generated.Marshal(v)
	}
	if m.out == nil {
		return nil, fmt.Errorf("BUG: message sent twice")
	}
	out := m.out
	m.out = nil
	return out, nil
}
