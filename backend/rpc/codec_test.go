package rpc_test

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// bytesMessage is a message as bytes, which need not be one.
type bytesMessage string

// passing is a client's codec that also sends a bytesMessage as it is.
type passing struct{}

func (passing) Name() string { return "proto" }

func (passing) Marshal(v any) (mem.BufferSlice, error) {
	if raw, ok := v.(bytesMessage); ok {
		return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
	}
	b, err := proto.Marshal(v.(proto.Message))
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

func (passing) Unmarshal(data mem.BufferSlice, v any) error {
	return proto.Unmarshal(data.Materialize(), v.(proto.Message))
}
