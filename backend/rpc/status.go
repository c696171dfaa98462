package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// errLeaving ends streams at the drain.
var errLeaving = status.Error(codes.Unavailable, "the node is shutting down")

// codeOf is the gRPC code for a code of the protocol: Triton's, where Triton has it.
func codeOf(c oip.Code) codes.Code {
	switch c {
	case oip.InvalidArgument:
		return codes.InvalidArgument
	case oip.NotFound:
		return codes.NotFound
	case oip.TooLarge, oip.ResourceExhausted:
		return codes.ResourceExhausted // what grpc itself says of a message beyond its limit
	case oip.Internal:
		return codes.Internal
	case oip.Unsupported:
		return codes.Unimplemented
	case oip.Unavailable:
		return codes.Unavailable
	case oip.DeadlineExceeded:
		return codes.DeadlineExceeded
	default:
		return codes.Unknown
	}
}

// refusal is what the client is told of err, which is not nil. What is not the client's to read is logged.
func (s *Server) refusal(ctx context.Context, method string, err error) *oip.Error {
	var told *oip.Error
	switch {
	case errors.As(err, &told):
		s.log.Debug("refused a call", "method", method, "code", codeOf(told.Code), "reason", err)
		return told
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return oip.Errorf(oip.DeadlineExceeded, "the call's deadline has passed")
	}
	log := s.log.With("method", method)
	if p, ok := errors.AsType[*scheduler.PanicError](err); ok {
		log = log.With("stack", string(p.Stack))
	}
	log.Error("a call failed", "reason", err)
	return oip.Errorf(oip.Internal, "the model failed: the node's log has the reason")
}

// refuse is the error that a handler returns for err: nil for none. A refusal that is not about the node says so in the
// trailer that carries REST's header of that name.
func (s *Server) refuse(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok { // grpc's own, of a message that it could not take
		return err
	}
	if s.left(ctx, err) {
		return status.Error(codes.Canceled, "the client has left")
	}
	told := s.refusal(ctx, method, err)
	if told.Refusal != "" {
		// It fails once the call is over, and then nobody reads trailers.
		_ = grpc.SetTrailer(ctx, metadata.Pairs(strings.ToLower(oip.RefusalName), string(told.Refusal)))
	}
	return status.Error(codeOf(told.Code), told.Msg)
}

// left reports whether err is there because nobody waits for the answer any more.
func (*Server) left(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled)
}

// recovered makes a panic an error of the one call that it happened in. It is deferred.
func (s *Server) recovered(method string, err *error) {
	if p := recover(); p != nil {
		s.log.Error("BUG: a call panicked", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, "the call failed: the node's log has the reason")
	}
}
