package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"

	"ganglion/gateway/rpc"
	"ganglion/internal/oip"
)

// newRPC makes the server of the gRPC port.
func newRPC(g *Gateway, cfg *Config, security *tls.Config, log *slog.Logger) (*rpc.Server, error) {
	connections, err := rpcConnections(cfg.Server.MaxConnections)
	if err != nil {
		return nil, err
	}
	return rpc.New(calls{g}, rpc.Config{
		TLS:            security,
		MaxMessage:     int(cfg.Server.MaxBody),
		MaxAnswer:      int(cfg.Upstream.MaxAnswer) + answerHead,
		MaxBodyMemory:  int64(cfg.Server.MaxBodyMemory),
		MaxUnread:      int64(cfg.Upstream.MaxAnswerMemory),
		MaxHeader:      int(cfg.Server.MaxHeader),
		MaxConnections: connections,
		ReadTimeout:    cfg.Server.ReadTimeout,
		ArrivalTimeout: cfg.Server.WriteTimeout, // what a message may take to leave, it may take to come
		DrainTimeout:   cfg.Server.DrainTimeout,
	}, log), nil
}

// answerHead is what an answer may grow by on its way to the client: its id, and the frame of a message on a stream.
const answerHead = 4 << 10

// rpcConnections is how many connections of gRPC clients may be open at once: as configured, or an eighth of the
// descriptors, beside the half that REST clients may have. One connection carries all the calls of a client.
func rpcConnections(configured int) (int, error) {
	if configured > 0 {
		return configured, nil
	}
	var rl syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &rl); err != nil {
		return 0, fmt.Errorf("cannot read the descriptor limit: %w", err)
	}
	const most = 8192 // grpc-go holds 32 KiB for reading and as much twice for writing: 768 MiB
	return int(min(max(rl.Cur/8, 8), most)), nil
}

// rpcCall is what an exchange has to remember of the gRPC call that it is.
type rpcCall struct {
	method string     // "/inference.GRPCInferenceService/ModelInfer"
	code   codes.Code // what the client was told; known at the end
}

// panicked counts the exchanges lost to bugs.
func (g *Gateway) panicked() uint64 {
	n := g.panics.Load() + g.server.Stats().Panics
	if g.rpc != nil {
		n += g.rpc.Stats().Panics
	}
	return n
}

// calls makes exchanges of gRPC calls.
type calls struct{ gateway *Gateway }

// Ask implements rpc.Edge.
func (c calls) Ask(ctx context.Context, q *rpc.Question) rpc.Answer {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	fillRequest(req, q)
	x := c.gateway.begin(req, resp, q.Client, c.gateway.cfg.Server.TLS != nil)
	x.rpc = &rpcCall{method: q.FullMethod}
	x.limit, _ = ctx.Deadline()
	left := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		x.ClientGone()
		close(left)
	})
	x.answer()
	if !stop() {
		<-left // the exchange may be another one's soon
	}
	return rpcAnswer{x}
}

// answer is serve for an exchange whose path has not been read yet, and which has no server that recovers from panics.
func (x *exchange) answer() {
	defer func() {
		if r := recover(); r != nil {
			x.gateway.panics.Add(1)
			x.gateway.log.Error("handler panicked: this is a bug", "panic", fmt.Sprint(r), "method", x.rpc.method, "stack", string(debug.Stack()))
			x.reason = reasonPanic
			x.resp.Reset()
			x.resp.SetStatusCode(fasthttp.StatusInternalServerError)
		}
	}()
	call, ok := oip.ParsePath(text(x.req.Header.RequestURI()))
	if !ok {
		x.fail(failNotFound())
		return
	}
	x.call = call
	x.serve()
}

// fillRequest makes req what a client of REST would have sent. Of the call's metadata it leaves out what is gRPC's own, and
// binary values, which headers of HTTP/1.1 cannot hold.
func fillRequest(req *fasthttp.Request, q *rpc.Question) {
	h := &req.Header
	h.SetNoDefaultContentType(true)
	h.SetMethod(q.Method)
	h.SetRequestURI(q.Path)
	for name, values := range q.Metadata {
		if name == ":authority" && len(values) > 0 {
			h.SetHost(values[0])
		}
		if !isHeader(name) {
			continue
		}
		for _, value := range values {
			h.Add(name, value)
		}
	}
	switch {
	case q.Proto:
		h.SetContentType(oip.ProtoContentType)
	case q.Body != nil:
		h.SetContentType("application/json")
	}
	if q.Body != nil {
		req.SetBodyRaw(q.Body)
	}
}

// isHeader reports whether a key of a call's metadata is also a header of the request that the call stands for.
func isHeader(name string) bool {
	switch name {
	case "content-type", "content-length", "content-encoding", "accept-encoding", "te":
		return false // describe the message on this connection; nodes get another one
	}
	return name[0] != ':' && !strings.HasPrefix(name, "grpc-") && !strings.HasSuffix(name, "-bin")
}

// Refused implements rpc.Edge.
func (c calls) Refused(q *rpc.Question, code codes.Code, why string) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	x := c.gateway.begin(req, resp, q.Client, c.gateway.cfg.Server.TLS != nil)
	x.start = q.Start
	x.rpc = &rpcCall{method: q.FullMethod}
	x.cause = errors.New(why)
	switch code {
	case codes.ResourceExhausted:
		x.reason, x.status = reasonTooLarge, fasthttp.StatusRequestEntityTooLarge
	case codes.Unavailable:
		x.reason, x.status = reasonOverload, fasthttp.StatusServiceUnavailable
	case codes.Canceled, codes.DeadlineExceeded:
		x.reason, x.status = reasonClientGone, 499
	case codes.Unimplemented:
		x.reason, x.status = reasonNotFound, fasthttp.StatusNotImplemented
	case codes.NotFound:
		x.reason, x.status = reasonNotFound, fasthttp.StatusNotFound
	case codes.Unknown: // nothing but a bug has no code of its own
		x.reason, x.status = reasonPanic, fasthttp.StatusInternalServerError
	default: // codes.Internal too, which grpc has for messages that break its own rules
		x.reason, x.status = reasonBadRequest, fasthttp.StatusBadRequest
	}
	rpcAnswer{x}.Sent(code)
}

// Ready implements rpc.Edge.
func (c calls) Ready() error { return c.gateway.Ready() }

// RouteReady implements rpc.Edge.
func (c calls) RouteReady(model string) (known bool, err error) {
	rt := c.gateway.table.Load().find(model)
	if rt == nil {
		return false, nil
	}
	if err := c.gateway.Ready(); err != nil {
		return true, err
	}
	if !rt.stable.pool.Ready() {
		return true, errors.New("no node of the route's pool is up")
	}
	return true, nil
}

// rpcAnswer is an exchange as the gRPC server sees it.
type rpcAnswer struct{ x *exchange }

// Status implements rpc.Answer.
func (a rpcAnswer) Status() int { return a.x.resp.StatusCode() }

// Body implements rpc.Answer.
func (a rpcAnswer) Body() []byte { return a.x.resp.Body() }

// TakeBody implements rpc.Answer. The exchange goes on reading what it has given away, but nobody writes to it any more.
func (a rpcAnswer) TakeBody() []byte {
	resp := a.x.resp
	body := resp.Body()
	a.x.out.answer.body = nil // neither the memory of the answers' budget ...
	resp.SwapBody(nil)        // ... nor the response's buffer, whether or not it is body, is to be used again
	resp.SetBodyRaw(body)
	return body
}

// Header implements rpc.Answer.
func (a rpcAnswer) Header(name string) string { return string(a.x.resp.Header.Peek(name)) }

// Sent implements rpc.Answer.
func (a rpcAnswer) Sent(code codes.Code) {
	x := a.x
	req, resp := x.req, x.resp
	x.rpc.code = code
	x.finish()
	fasthttp.ReleaseRequest(req)
	fasthttp.ReleaseResponse(resp)
}
