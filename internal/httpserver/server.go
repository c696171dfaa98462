// Package httpserver is fasthttp set up to face the public: limits and timeouts on everything, strict about what it
// accepts, honest in what it refuses, alive whatever happens.
//
// It owns the way from an accepted connection to a handler and back: accepting through descriptor exhaustion, bounding
// headers, bodies, connections and time, refusing malformed requests before a handler sees them, containing panics,
// and draining at shutdown. It refuses to know what the requests mean: routing, authentication and readiness belong to
// its callers.
//
// Concurrency: handlers run on many goroutines at once, one per connection; everything exported is safe for concurrent
// use, except that Run is called once.
package httpserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/memory"
)

// Server serves one handler on one listener.
//
// A handler finds the whole request body in PostBody; the body and everything else it gets from the RequestCtx are
// dead once the response is written. Handlers do not call TimeoutError, which would leave one running on a dead body.
type Server struct {
	cfg     Config
	handler fasthttp.RequestHandler
	log     *slog.Logger
	http    *fasthttp.Server
	bodies  bodyMemory
	refused func(ctx *fasthttp.RequestCtx, status int, reason string)
	screen  screen
	tls     *tls.Config // nil = plain

	limit    int // connections open at once; set by Run
	epoch    time.Time
	clock    atomic.Int64    // nanoseconds since epoch, at the last tick
	life     context.Context // ends when the drain begins
	endLife  context.CancelFunc
	draining atomic.Bool // the same, for the hot path
	workers  sync.WaitGroup
	counters counters
	watched  watched

	turnedAway atomic.Int64 // connections being refused now

	mu    sync.Mutex
	conns map[*conn]struct{} // guarded by mu
}

// New prepares a server; it starts nothing. name appears in logs. cfg has passed its Check.
func New(name string, cfg Config, h fasthttp.RequestHandler, log *slog.Logger) *Server {
	s := &Server{
		cfg:     cfg,
		handler: h,
		log:     log.With("server", name),
		epoch:   time.Now(),
		bodies:  bodyMemory{Account: memory.Account{Limit: int64(cfg.MaxBodyMemory)}},
		refused: func(*fasthttp.RequestCtx, int, string) {},
		screen:  screen{unwanted: func(*fasthttp.RequestHeader) bool { return false }},
		watched: watched{wake: make(chan struct{}, 1)},
		conns:   make(map[*conn]struct{}),
	}
	s.life, s.endLife = context.WithCancel(context.Background())
	s.http = &fasthttp.Server{
		Handler:        s.serve,
		ErrorHandler:   s.malformed,
		HeaderReceived: s.headerReceived,
		ConnState:      s.connState,
		Logger:         quiet{},

		ReadBufferSize: int(cfg.MaxHeader),
		// Timeouts are the connections' own affair; see deadline.go.

		// The handler is called with the headers and the first bytes of the body, and serve reads the rest: only so is
		// memory taken as bytes arrive instead of as Content-Length promises, and refused while the client still sends.
		StreamRequestBody: true,

		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		LazyRequestTime:              true,
	}
	return s
}

// ObserveRefusals has f called for every request that is refused before it gets to the handler, with the answer's
// status and its message, before the answer is written. Call it before Run. f must not keep ctx.
func (s *Server) ObserveRefusals(f func(ctx *fasthttp.RequestCtx, status int, reason string)) {
	s.refused = f
}

// serve is the outermost handler.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	defer s.contain(ctx)
	c := ctx.Conn().(*conn) // accept makes nothing else
	switch f := flawOf(&ctx.Request.Header); f {
	case none:
	case unwanted:
		s.answerUnread(ctx, c)
		return
	default:
		s.refuseFlaw(ctx, f)
		return
	}
	if status, reason := s.readBody(ctx, c); status != 0 {
		s.refuse(ctx, status, reason)
		return
	}
	s.counters.requests.Add(1)
	s.handler(ctx)
	releaseLargeResponse(&ctx.Response)
	if s.draining.Load() {
		ctx.SetConnectionClose()
	}
}

// contain turns a panic of a handler into one failed request. fasthttp does not, and would take the process down.
func (s *Server) contain(ctx *fasthttp.RequestCtx) {
	r := recover()
	if r == nil {
		return
	}
	s.counters.panics.Add(1)
	s.log.Error("handler panicked: this is a bug", "panic", r,
		"method", string(ctx.Method()), "target", string(ctx.RequestURI()), "stack", string(debug.Stack()))
	WriteError(ctx, fasthttp.StatusInternalServerError, "internal error")
	ctx.SetConnectionClose() // what the handler left behind on the connection is unknown
}

// releaseLargeResponse keeps an idle connection from holding on to its largest response: fasthttp reuses the buffer of
// a body that was set by copy, but not a raw one. 64 KiB is worth keeping: it is above nearly every answer.
func releaseLargeResponse(resp *fasthttp.Response) {
	const keep = 64 << 10
	if resp.IsBodyStream() {
		return
	}
	if body := resp.Body(); len(body) > keep {
		resp.SwapBody(nil) // takes the buffer off the connection, whether or not it is body
		resp.SetBodyRaw(body)
	}
}

// quiet drops what fasthttp would log: it reports what clients do, at their will, and each of it has been counted.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
