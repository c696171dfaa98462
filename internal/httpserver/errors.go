package httpserver

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// WriteError answers with status and {"error":"msg"}, and drops whatever the response held before; further headers are
// set after it. It closes the connection when the request's body has not been read: the rest of it would be taken for
// the next request.
func WriteError(ctx *fasthttp.RequestCtx, status int, msg string) {
	SetError(&ctx.Response, status, msg)
	if ctx.RequestBodyStream() != nil {
		ctx.SetConnectionClose()
	}
}

// SetError makes resp what WriteError answers, for requests whose body has been read.
func SetError(resp *fasthttp.Response, status int, msg string) {
	resp.Reset()
	resp.SetStatusCode(status)
	resp.Header.SetContentType("application/json")
	resp.SwapBody(oip.AppendError(resp.SwapBody(nil)[:0], msg)) // the buffer is the response's own: Reset has let go of any other
}

// refuse answers a request that will not get to the handler, and ends its connection: where its next request would
// begin is unknown, or what is left of its body is not worth reading.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, status int, reason string) {
	s.counters.badRequests.Add(1)
	WriteError(ctx, status, reason)
	switch status {
	case fasthttp.StatusServiceUnavailable:
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
	case fasthttp.StatusMethodNotAllowed:
		ctx.Response.Header.Set(fasthttp.HeaderAllow, allowedMethods)
	}
	ctx.SetConnectionClose()
	if c, ok := ctx.Conn().(*conn); ok {
		c.linger = true
	}
	s.refused(ctx, status, reason)
}

// malformed is fasthttp's ErrorHandler: it could not read the headers, or the up to 8 KiB of the body that it reads before
// it calls the handler. Which of the two it was, it does not tell.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	var tooLarge *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &tooLarge):
		s.refuse(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("request line and headers are larger than %s (max_header)", s.cfg.MaxHeader))
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.refuse(ctx, fasthttp.StatusRequestTimeout, fmt.Sprintf("request headers or the first bytes of the body did not arrive within %s (read_timeout)", s.cfg.ReadTimeout))
	case errors.Is(err, fasthttp.ErrUnsupportedTransferEncoding):
		s.refuseFlaw(ctx, badCoding)
	case errors.Is(err, fasthttp.ErrDuplicateContentLength):
		s.refuse(ctx, fasthttp.StatusBadRequest, "more than one Content-Length header")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.refuse(ctx, fasthttp.StatusBadRequest, "request ended before it was complete")
	default:
		s.refuse(ctx, fasthttp.StatusBadRequest, "malformed request: "+causeOf(err))
	}
}

// causeOf is what fasthttp found wrong, without what it quotes from the request: that may be a secret, and reasons end
// up in logs.
func causeOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	cause, _, _ := strings.Cut(err.Error(), `"`)
	return strings.TrimRight(strings.TrimPrefix(cause, "fasthttp: "), ": ")
}

func (s *Server) refuseFlaw(ctx *fasthttp.RequestCtx, f flaw) {
	status, reason := flaws[f].status, flaws[f].reason
	if f == tooLarge {
		status, reason = s.tooLarge()
	}
	s.refuse(ctx, status, reason)
}
