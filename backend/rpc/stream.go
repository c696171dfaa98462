package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"ganglion/internal/oip"
	"ganglion/internal/rpcwire"
)

// streamWindow is how many requests of one stream are worked on at once; further ones stay with the client, which HTTP/2's
// flow control tells to wait. perf_analyzer's usual sweeps end at 16, and a batch of the node takes 64 requests at the most
// where nothing else is configured.
const streamWindow = 64

// streamInfer is the name of the call.
const streamInfer = "ModelStreamInfer"

// strictName is the metadata by which a client asks for errors that end the stream, with the value "true".
const strictName = "triton_grpc_error"

// Field numbers of a ModelStreamInferResponse, as tags of length-delimited fields.
const (
	tagErrorMessage  = 1<<3 | 2
	tagInferResponse = 2<<3 | 2
)

// final marks answers on a stream. No model of ours gives more than one to a request, so each is the last: clients written
// for models that do wait for the mark.
func final() oip.Parameters {
	return oip.Parameters{{Name: "triton_final_response", Value: oip.Boolean(true)}}
}

// stream is one call of ModelStreamInfer.
type stream struct {
	server *Server
	wire   grpc.ServerStream
	strict bool       // the first error ends the stream
	turns  chan *turn // in the order of the requests; closed when no more of them come
	err    error      // why no more come, nil when the client said so; set before turns is closed
}

// turn is one request of a stream and its answer. message and err are there when done is closed.
type turn struct {
	done    chan struct{}
	message mem.BufferSlice // nil = err ends the stream
	err     error
}

// modelStreamInfer is the handler of ModelStreamInfer: it sends the answers, in the order of the requests. The requests are
// received on another goroutine, since a receiver cannot be called off as long as its handler has not returned.
func (s *Server) modelStreamInfer(_ any, wire grpc.ServerStream) error {
	s.metrics.streams.Add(1)
	defer s.metrics.streams.Add(-1)
	ctx, cancel := context.WithCancel(wire.Context())
	defer cancel() // whatever of the stream is still being worked on, nobody waits for
	md, _ := metadata.FromIncomingContext(ctx)
	st := &stream{server: s, wire: wire, turns: make(chan *turn, streamWindow)}
	if v := md.Get(strictName); len(v) > 0 && v[0] == "true" {
		st.strict = true
	}
	s.receivers.Go(func() { st.receive(ctx) })
	for {
		select {
		case t, more := <-st.turns:
			if !more {
				return st.err
			}
			if err := st.send(t); err != nil {
				return err
			}
		case <-s.draining:
			return st.leave()
		}
	}
}

// leave answers the requests that have been taken, and ends the stream: it might stay open for hours otherwise, with nothing
// on it.
func (st *stream) leave() error {
	for range len(st.turns) {
		t, more := <-st.turns
		if !more {
			return st.err
		}
		if err := st.send(t); err != nil {
			return err
		}
	}
	return errLeaving
}

// send sends one answer when it is there.
func (st *stream) send(t *turn) error {
	<-t.done // soon, when ctx has ended
	if t.message == nil {
		return t.err
	}
	return st.wire.SendMsg(rpcwire.HandOver(t.message...))
}

// receive takes requests from the client until it has no more, and has each answered. It returns when all have been.
func (st *stream) receive(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	defer close(st.turns)
	for {
		x := st.server.inferences.Get().(*inference) // the pool's New makes nothing else
		if err := st.wire.RecvMsg(&x.received); err != nil {
			st.server.release(x)
			if !errors.Is(err, io.EOF) {
				st.err = err
			}
			return
		}
		t := &turn{done: make(chan struct{})}
		select {
		case st.turns <- t:
			working.Go(func() { st.answer(ctx, x, t) })
		case <-ctx.Done():
			st.server.release(x)
			return
		}
	}
}

// answer works on one request.
func (st *stream) answer(ctx context.Context, x *inference, t *turn) {
	s := st.server
	defer close(t.done)
	defer s.recovered(streamInfer, &t.err)
	message, err := s.infer(ctx, x, final())
	switch {
	case err == nil:
		t.message = wrap(message)
	case st.strict || s.left(ctx, err):
		t.err = err
	default:
		t.message = wrapError(s.refusal(ctx, streamInfer, err), x.received.Bytes())
	}
	s.release(x) // not deferred: after a panic somebody may still hold it
}

// wrap makes an answer one on a stream.
func wrap(message mem.BufferSlice) mem.BufferSlice {
	prefix := binary.AppendUvarint([]byte{tagInferResponse}, uint64(message.Len()))
	return append(mem.BufferSlice{mem.SliceBuffer(prefix)}, message...)
}

// wrapError makes a refusal an answer on a stream. It repeats what the request named: clients with many requests under way
// tell by the id which of them it was.
func wrapError(refusal *oip.Error, request []byte) mem.BufferSlice {
	head, _ := oip.ScanProtoHead(request) // of a message that cannot be read there is nothing to repeat
	r := oip.InferResponse{
		ModelName: string(head.Model), ModelVersion: string(head.Version), ID: string(head.ID), Parameters: final(),
	}
	inner := oip.AppendProtoInferResponse(nil, &r)
	b := appendField(nil, tagErrorMessage, []byte(refusal.Msg))
	return mem.BufferSlice{mem.SliceBuffer(appendField(b, tagInferResponse, inner))}
}

func appendField(dst []byte, tag byte, content []byte) []byte {
	dst = binary.AppendUvarint(append(dst, tag), uint64(len(content)))
	return append(dst, content...)
}
