package rpc

import (
	"context"
	"encoding/binary"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"ganglion/internal/oip"
	"ganglion/internal/rpcwire"
)

// inference is the memory of one inference request and its answer, reused for later ones.
type inference struct {
	received rpcwire.Message
	request  oip.InferRequest
	response oip.InferResponse
}

// keepBytes is what an inference may hold on to of each buffer between requests: above nearly every request that has typed
// contents, for others need none.
const keepBytes = 64 << 10

// release lets go of the request's bytes and puts x back.
func (s *Server) release(x *inference) {
	x.request.Reset(keepBytes)
	x.response.Reset(keepBytes)
	x.received.Free()
	s.inferences.Put(x)
}

// modelInfer is the handler of ModelInfer. It stands where a generated one would, so that the message is never decoded into
// generated types.
func (s *Server) modelInfer(_ any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc's order of parameters
	x := s.inferences.Get().(*inference) // the pool's New makes nothing else
	var message mem.BufferSlice
	err := receive(&x.received)
	if err == nil {
		message, err = s.infer(ctx, x, nil)
	}
	s.release(x) // not deferred: after a panic somebody may still hold it
	if err != nil {
		return nil, err
	}
	return rpcwire.HandOver(message...), nil
}

// infer answers the request that x has received. parameters are added to the answer's own.
func (s *Server) infer(ctx context.Context, x *inference, parameters oip.Parameters) (mem.BufferSlice, error) {
	received := x.received.Bytes()
	if err := s.requests.take(int64(len(received))); err != nil {
		return nil, s.refused(received, err)
	}
	defer s.requests.Release(int64(len(received)))
	model, version, err := x.request.DecodeProto(received, s.node.Limits())
	if err != nil {
		return nil, s.refused(received, err)
	}
	release, err := s.node.Infer(ctx, model, version, &x.request, &x.response)
	if err != nil {
		return nil, err
	}
	defer release()
	x.response.Parameters = append(x.response.Parameters, parameters...)
	return s.encode(&x.response)
}

// refused has the node count a request that does not get as far as its models, and returns err.
func (s *Server) refused(received []byte, err error) error {
	head, _ := oip.ScanProtoHead(received) // one that cannot be read is for no model
	s.node.Refused(string(head.Model), string(head.Version), err)
	return err
}

// encode returns r as a message in a buffer of grpc's pool.
func (s *Server) encode(r *oip.InferResponse) (mem.BufferSlice, error) {
	buffer, pool, err := s.answers.lend(sizeOf(r))
	if err != nil {
		return nil, err
	}
	message := oip.AppendProtoInferResponse((*buffer)[:0], r)
	if cap(message) != cap(*buffer) { // it has outgrown the buffer, which costs a copy and nothing else
		pool.Put(buffer)
		return mem.BufferSlice{mem.SliceBuffer(message)}, nil
	}
	*buffer = message
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

// sizeOf is at least the size of r as a message, unless it has parameters without end.
func sizeOf(r *oip.InferResponse) int {
	const field = 1 + binary.MaxVarintLen32 // a tag and a length
	size := 3*field + len(r.ModelName) + len(r.ModelVersion) + len(r.ID)
	for i := range r.Parameters {
		size += 64 + len(r.Parameters[i].Name) // a number or a short text
	}
	for i := range r.Outputs {
		out := &r.Outputs[i]
		size += 6*field + len(out.Name) + len(`UINT16`) + len(out.Shape)*binary.MaxVarintLen64 + len(out.Data)
	}
	return size
}
