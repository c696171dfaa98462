package httpserver

import (
	"context"
	"net"
	"runtime/debug"

	"github.com/valyala/fasthttp"
)

// Hijack takes the connection of ctx out of HTTP once the response has been written, and has serve speak on it whatever was
// agreed. The handler sets status and headers of the 101 response itself, and returns. nc reads first what the client has
// sent already; the connection below it is to be had by UnsafeConn. serve returns when the connection is over, and closes it
// or leaves that to us.
//
// The connection goes on counting as one of the server's: for MaxConnections, in Stats, and at shutdown. Then the context
// that serve was given ends, Run waits up to DrainTimeout for serve to return, and cuts the connection after that. serve is
// not called if the response could not be written.
func Hijack(ctx *fasthttp.RequestCtx, serve func(ctx context.Context, nc net.Conn)) {
	c := ctx.Conn().(*conn) // accept makes nothing else
	c.hijacked = true
	ctx.Hijack(func(nc net.Conn) {
		defer c.server.ended(c)
		serve(c.server.life, nc)
	})
}

// ended closes a hijacked connection, and contains the panic of whoever had it.
func (s *Server) ended(c *conn) {
	if r := recover(); r != nil {
		s.counters.panics.Add(1)
		s.log.Error("hijacked connection panicked: this is a bug", "panic", r, "stack", string(debug.Stack()))
	}
	_ = c.below().Close() // it is closed already, or nobody is left who could be told
	s.forget(c)
}

// UnsafeConn returns the connection below, for those who can write to a socket better than through net.Conn. It is unsafe
// because reading from it passes what has been buffered here.
func (c *conn) UnsafeConn() net.Conn { return c.below() }
