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
	"errors"
	"log/slog"
	"net"

	"github.com/valyala/fasthttp"
)

// Server serves one handler on one listener.
type Server struct {
	cfg Config
	log *slog.Logger
}

// New prepares a server; it starts nothing. name appears in logs. cfg has passed its Check.
func New(name string, cfg Config, h fasthttp.RequestHandler, log *slog.Logger) *Server {
	return &Server{cfg: cfg, log: log.With("server", name)}
}

// Run serves ln until ctx ends, then drains: it stops accepting, lets exchanges in flight finish for up to
// DrainTimeout, and closes idle connections. It owns ln and closes it. It returns nil after a clean drain.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	return errors.New("httpserver: not written yet")
}

// Listen opens a TCP listener on addr, "host:port" or ":port"; its error is one line that says what to do.
func Listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }

// WriteError answers with status and {"error":"msg"}. It closes the connection after the answer when the request's
// body may not have been read.
func WriteError(ctx *fasthttp.RequestCtx, status int, msg string) {
	ctx.Response.Reset()
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
}
