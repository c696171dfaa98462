package rpc

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// call is one RPC from its headers to its trailers.
type call struct {
	question Question
	answer   Answer      // to be ended when the trailers have left; nil = none
	counted  bool        // the edge knows of the call, or is not to
	patience *time.Timer // until the message has to be here; nil = there is time
}

// arrived says that the message is here.
func (c *call) arrived() {
	if c.patience != nil {
		c.patience.Stop()
	}
}

// patienceKey is where the context of a call that is about to begin carries the timer.
type patienceKey struct{}

// accept is grpc's tap: it gives a call so long to bring its message. A client that never sent it would otherwise keep the
// call, and its goroutine, for good. Only the tap can hand grpc a context that ends the wait.
func (s *Server) accept(ctx context.Context, info *tap.Info) (context.Context, error) {
	method, ours := strings.CutPrefix(info.FullMethodName, "/"+serviceName+"/")
	if !ours || method == streamMethod {
		return ctx, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	return context.WithValue(ctx, patienceKey{}, time.AfterFunc(s.cfg.ArrivalTimeout, cancel)), nil
}

// callKey is where a context carries its call.
type callKey struct{}

// callOf returns the call that the context belongs to.
func callOf(ctx context.Context) *call {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		panic("BUG: an RPC that TagRPC has not seen")
	}
	return c
}

// recorder is how grpc tells when calls begin and end. Only the end that it reports lies behind the last byte for the
// client, which is when an answer may be stored, mirrored and written down.
type recorder struct{ server *Server }

// TagRPC implements stats.Handler.
func (r recorder) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	c := &call{question: Question{FullMethod: info.FullMethodName, Start: time.Now()}}
	c.question.Metadata, _ = metadata.FromIncomingContext(ctx)
	c.patience, _ = ctx.Value(patienceKey{}).(*time.Timer)
	c.counted = strings.HasPrefix(info.FullMethodName, "/grpc.") // health and reflection ask nothing of the edge
	return context.WithValue(ctx, callKey{}, c)
}

// HandleRPC implements stats.Handler.
func (r recorder) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.InHeader:
		callOf(ctx).question.Client = s.RemoteAddr
	case *stats.End:
		r.end(callOf(ctx), s.Error)
	}
}

// end closes the books on a call.
func (r recorder) end(c *call, err error) {
	c.arrived()
	st, _ := status.FromError(err)
	switch {
	case c.answer != nil:
		c.answer.Sent(st.Code())
	case !c.counted && err != nil:
		r.server.edge.Refused(&c.question, st.Code(), st.Message())
	}
}

// TagConn implements stats.Handler.
func (recorder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (r recorder) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		r.server.connections.open.Add(1)
		r.server.connections.accepted.Add(1)
	case *stats.ConnEnd:
		r.server.connections.open.Add(-1)
	}
}
