package backend

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

// handle answers one request that came by HTTP.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	if s.upgrade(ctx) {
		return
	}
	x := s.exchanges.Get().(*exchange) // the pool's New makes nothing else
	method, _ := hop.ParseMethod(ctx.Method())
	// The buffer is fasthttp's own, so that the answer need not be copied into it.
	x.begin(method, ctx.URI().PathOriginal(), s.cfg.PathPrefix, ctx.PostBody(), ctx.Response.SwapBody(nil))
	for name, value := range ctx.Request.Header.All() {
		x.field(name, value)
	}
	deadline, err := x.deadline()
	x.patience = x.patience.renewed(deadline)
	switch {
	case err != nil:
		s.refuse(x, err)
	case x.waits() && ctx.Conn() != nil: // only tests have none
		httpserver.Watch(ctx, x.patience)
		s.rest(x)
		httpserver.Unwatch(ctx)
	default:
		s.rest(x)
	}
	s.send(ctx, x)
	x.end()
	s.exchanges.Put(x)
}

// deadline is when the client stops waiting, if it has said so; the zero time is never. The hop has a place of its own for it.
func (q *question) deadline() (time.Time, error) {
	if q.timeout == nil {
		return time.Time{}, nil
	}
	patience, err := oip.ParseTimeout(q.timeout)
	if err != nil {
		return time.Time{}, err
	}
	return time.Now().Add(patience), nil
}

// largestKept is the size up to which fasthttp keeps an answer's memory for others. Giants would stay there for minutes after
// a burst of them: the pool lets go of what was not used while the garbage collector ran twice.
const largestKept = 1 << 20

// send makes the exchange's answer that of ctx.
func (s *Server) send(ctx *fasthttp.RequestCtx, x *exchange) {
	ctx.SetStatusCode(x.status)
	ctx.SetContentType(x.reply.contentType)
	h := &ctx.Response.Header
	if x.reply.headerLength != oip.NoHeaderLength {
		h.Set(oip.HeaderLengthName, strconv.Itoa(x.reply.headerLength))
	}
	for _, f := range x.headers {
		h.Set(f.name, f.value)
	}
	if s.cfg.ID != "" {
		h.Set(nodeIDName, s.cfg.ID)
	}
	if x.wantsLoad {
		if value := hop.AppendLoad(nil, x.node, x.model); len(value) > 0 {
			h.SetBytesV(hop.LoadHeader, value)
		}
	}
	if cap(x.answer) <= largestKept {
		ctx.Response.SwapBody(x.answer)
	} else {
		ctx.Response.SetBodyRaw(x.answer)
	}
	if x.owed > 0 {
		ctx.SetUserValue("answer", &answerHeld{&s.answers, x.owed})
	}
}

// nodeIDName is the header in which a node that has a name says it.
const nodeIDName = "X-Node-Id"
