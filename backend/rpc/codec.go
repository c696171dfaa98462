package rpc

import (
	"errors"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// request is a received message as bytes, in one piece. The zero value has received nothing.
type request struct{ buffer mem.Buffer }

// bytes is the message, until free.
func (r *request) bytes() []byte {
	if r.buffer == nil {
		return nil
	}
	return r.buffer.ReadOnlyData()
}

// free gives the memory back.
func (r *request) free() {
	if r.buffer != nil {
		r.buffer.Free()
		r.buffer = nil
	}
}

// answer is a message to be sent, as bytes; grpc frees them.
type answer struct{ message mem.BufferSlice }

// codec hands inferences over as bytes and leaves all other messages to the codec that everybody has.
type codec struct{ generated encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Name implements encoding.CodecV2: on the wire it is protobuf like any other.
func (codec) Name() string { return proto.Name }

// Unmarshal implements encoding.CodecV2. A message that came in one piece is kept as it is. One of several is copied once: the
// tensors in it have to be in one piece each.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*request)
	if !ok {
		return c.generated.Unmarshal(data, v)
	}
	r.free() // grpc looks whether a second message comes where only one may
	r.buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	a, ok := v.(*answer)
	if !ok {
		return c.generated.Marshal(v)
	}
	if a.message == nil {
		return nil, errors.New("BUG: answer sent twice")
	}
	message := a.message
	a.message = nil
	return message, nil
}
