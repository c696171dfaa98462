package rpc

import (
	"context"

	"google.golang.org/grpc/mem"

	"ganglion/internal/rpcwire"
)

// Answer takes a message the way that ModelInfer does, without a connection.
func (s *Server) Answer(message mem.BufferSlice) (mem.BufferSlice, error) {
	reply, err := s.modelInfer(nil, context.Background(), func(v any) error { return rpcwire.NewCodec().Unmarshal(message, v) }, nil)
	if err != nil {
		return nil, err
	}
	return rpcwire.NewCodec().Marshal(reply)
}

// StreamMessage takes a message the way that a stream does, and returns what the stream would send.
func (s *Server) StreamMessage(message []byte) []byte {
	x := s.inferences.Get().(*inference)
	if err := rpcwire.NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(message)}, &x.received); err != nil {
		panic(err)
	}
	t := &turn{done: make(chan struct{})}
	st := &stream{server: s}
	st.answer(context.Background(), x, t)
	return t.message.Materialize()
}

// LendAndForget takes a buffer for an answer and loses it, as grpc may when a connection breaks.
func (s *Server) LendAndForget(bytes int) error {
	_, _, err := s.answers.lend(bytes)
	return err
}

// AnswerBytes is what answers hold.
func (s *Server) AnswerBytes() int64 { return s.answers.Used() }
