package backend

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

// newHop makes the server of the hop. It shares the bounds of HTTP, memory for bodies included.
func (s *Server) newHop() (*hop.Server, error) {
	cfg := hop.DefaultConfig()
	cfg.MaxBody = int64(s.cfg.HTTP.MaxBody)
	cfg.Budget = hop.ShareBudget(s.http)
	cfg.Conditions = true
	cfg.DrainTimeout = max(s.cfg.HTTP.DrainTimeout, time.Millisecond) // the least that the hop knows
	return hop.NewServer(s.handleHop, cfg, func(err error) { s.log.Warn("hop", "problem", err) })
}

// upgrade takes up the hop with a client that asks for it, and reports whether it has. Then the connection is the hop's.
func (s *Server) upgrade(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	if !h.IsGet() || !h.ConnectionUpgrade() || string(ctx.URI().PathOriginal()) != hop.UpgradePath || ctx.Conn() == nil {
		return false
	}
	token, ok := hop.Negotiate(h.Peek(fasthttp.HeaderUpgrade))
	if !ok || phase(s.state.Load()) == draining {
		return false // the answer is that of any server which does not speak it
	}
	ctx.SetStatusCode(fasthttp.StatusSwitchingProtocols)
	ctx.Response.Header.Set(fasthttp.HeaderConnection, "Upgrade")
	ctx.Response.Header.Set(fasthttp.HeaderUpgrade, token)
	httpserver.Hijack(ctx, s.serveHop)
	return true
}

// serveHop serves a connection until it ends.
func (s *Server) serveHop(ctx context.Context, nc net.Conn) {
	s.metrics.hop.opened()
	defer s.metrics.hop.closed()
	peer := nc.RemoteAddr().String()
	s.log.Debug("a hop begins", "peer", peer)
	err := s.hop.Serve(ctx, nc)
	s.log.Debug("a hop has ended", "peer", peer, "reason", err)
}

// handleHop answers one request that came by the hop.
func (s *Server) handleHop(ctx context.Context, req *hop.Request, resp *hop.Response) {
	s.metrics.hop.requests.Add(1)
	defer s.containHop(req, resp)
	x := s.exchanges.Get().(*exchange) // the pool's New makes nothing else
	path, _, _ := bytes.Cut(req.Path, []byte{'?'})
	x.begin(req.Method, path, s.cfg.PathPrefix, req.Body, resp.Body)
	x.bodyType, x.jsonLength = req.ContentType, req.InferenceHeaderLength
	x.most, x.within = req.Most, req.Within
	for i := range req.Headers {
		x.field(req.Headers[i].Name, req.Headers[i].Value)
	}
	x.patience = x.patience.renewed(req.Deadline)
	if x.waits() {
		hop.Watch(ctx, x.patience)
		s.rest(x)
		hop.Unwatch(ctx)
	} else {
		s.rest(x)
	}
	s.sendHop(resp, x)
	x.end()
	s.exchanges.Put(x)
}

// containHop turns a panic into one failed request, as httpserver does for those that come by HTTP.
func (s *Server) containHop(req *hop.Request, resp *hop.Response) {
	r := recover()
	if r == nil {
		return
	}
	s.metrics.hop.panics.Add(1)
	s.log.Error("handler panicked: this is a bug", "panic", r, "path", string(req.Path), "stack", string(debug.Stack()))
	resp.Reset()
	resp.Status, resp.ContentType = http.StatusInternalServerError, jsonBytes
	resp.Body = oip.AppendError(nil, "internal error") // what the handler left behind in the other memory is unknown
}

// sendHop makes the exchange's answer that of resp, which is read when the exchange is over already.
func (s *Server) sendHop(resp *hop.Response, x *exchange) {
	if x.declined {
		resp.Declined, resp.Node = true, x.node
		return
	}
	resp.Status, resp.InferenceHeaderLength = x.status, x.reply.headerLength
	resp.ContentType = contentTypeBytes(x.reply.contentType)
	resp.Node, resp.Model = x.node, x.model
	for _, f := range x.headers {
		resp.Headers = append(resp.Headers, hop.Header{Name: []byte(f.name), Value: []byte(f.value)})
	}
	if s.cfg.ID != "" {
		resp.Headers = append(resp.Headers, s.idHeader)
	}
	resp.Body = x.answer
	if owed := x.owed; owed > 0 {
		resp.Sent = func() { s.answers.Release(owed) }
	}
}

// contentTypeBytes returns a content type without allocating, for those that inferences have.
func contentTypeBytes(contentType string) []byte {
	switch contentType {
	case typeJSON:
		return jsonBytes
	case typeBinary:
		return binaryBytes
	case oip.ProtoContentType:
		return protoBytes
	default:
		return []byte(contentType)
	}
}

// The content types as the hop wants them. They are only read.
var (
	jsonBytes   = []byte(typeJSON)
	binaryBytes = []byte(typeBinary)
	protoBytes  = []byte(oip.ProtoContentType)
)
