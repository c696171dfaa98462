package rpc

import (
	"context"
	"encoding/binary"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"ganglion/internal/oip"
)

// inference is the memory of one inference request and its answer, reused for later ones.
type inference struct {
	received request
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
	x.received.free()
	s.inferences.Put(x)
}

// modelInfer is the handler of ModelInfer. It stands where a generated one would, so that the message is never decoded into
// generated types.
func (s *Server) modelInfer(_ any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (reply any, err error) {
	defer s.recovered("ModelInfer", &err)
	s.stamp(ctx)
	x := s.inferences.Get().(*inference) // the pool's New makes nothing else
	defer s.release(x)
	if err := receive(&x.received); err != nil {
		return nil, err
	}
	message, err := s.infer(ctx, x, nil)
	if err != nil {
		return nil, s.refuse(ctx, "ModelInfer", err)
	}
	return &answer{message}, nil
}

// infer answers the request that x has received. parameters are added to the answer's own.
func (s *Server) infer(ctx context.Context, x *inference, parameters oip.Parameters) (mem.BufferSlice, error) {
	model, version, err := x.request.DecodeProto(x.received.bytes(), s.node.Limits())
	if err != nil {
		return nil, err
	}
	release, err := s.node.Infer(ctx, model, version, &x.request, &x.response)
	if err != nil {
		return nil, err
	}
	defer release()
	x.response.Parameters = append(x.response.Parameters, parameters...)
	return encode(&x.response), nil
}

// encode returns r as a message in a buffer of grpc's pool.
func encode(r *oip.InferResponse) mem.BufferSlice {
	pool := mem.DefaultBufferPool()
	buffer := pool.Get(sizeOf(r))
	message := oip.AppendProtoInferResponse((*buffer)[:0], r)
	if cap(message) != cap(*buffer) { // it has outgrown the buffer, which costs a copy and nothing else
		pool.Put(buffer)
		return mem.BufferSlice{mem.SliceBuffer(message)}
	}
	*buffer = message
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}
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
