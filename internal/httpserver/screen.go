package httpserver

import (
	"runtime/debug"

	"github.com/valyala/fasthttp"
)

// screen judges large bodies by their heads.
type screen struct {
	unwanted func(h *fasthttp.RequestHeader) bool
	answer   fasthttp.RequestHandler
}

// screenAbove is how long a body is that is judged by its head. To turn it away ends its connection, since the rest of the body
// is still on its way; for one that is smaller, to receive it costs its client less than another connection, and the server no
// memory that counts.
const screenAbove = 1 << 20

// Screen has requests judged before a body of more than a megabyte is received, and before a client that waits for a
// 100 Continue gets one: those that are unwanted go to answer instead of the handler, without their body, and their
// connection ends. A body of unknown length is received. Call it before Run. Neither function may keep what it gets.
func (s *Server) Screen(unwanted func(h *fasthttp.RequestHeader) bool, answer fasthttp.RequestHandler) {
	s.screen = screen{unwanted, answer}
}

// isUnwanted asks the handler. Nothing above would recover from a panic: it costs the request its judgement, and no more.
func (s *Server) isUnwanted(h *fasthttp.RequestHeader) (yes bool) {
	defer func() {
		if r := recover(); r != nil {
			s.counters.panics.Add(1)
			s.log.Error("judging a request by its head panicked: this is a bug", "panic", r, "target", string(h.RequestURI()), "stack", string(debug.Stack()))
			yes = false
		}
	}()
	return s.screen.unwanted(h)
}

// answerUnread has a request answered whose body is not received.
func (s *Server) answerUnread(ctx *fasthttp.RequestCtx, c *conn) {
	s.counters.requests.Add(1)
	s.screen.answer(ctx)
	ctx.SetConnectionClose()
	c.linger = true
}
