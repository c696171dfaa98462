package httpserver

import (
	"fmt"
	"io"

	"github.com/valyala/fasthttp"
)

const (
	// firstBuffer is what a body gets before it has proved to be larger. fasthttp has then received its first 8 KiB.
	firstBuffer = 16 << 10
	// lap is how much of a body ReadTimeout is given for, again and again: a minimum rate in disguise, so that large
	// uploads need no long timeout and slow attackers get none.
	lap = 1 << 20
)

// readBody receives the whole body and makes it what PostBody returns. A status other than 0 refuses the request.
func (s *Server) readBody(ctx *fasthttp.RequestCtx, c *conn) (status int, reason string) {
	if n := c.framing.hidden; n > 0 {
		b, err := c.hiddenBody()
		if err != nil {
			return c.bodyError(len(b), n)
		}
		ctx.Request.SetBodyRaw(b)
		ctx.Request.Header.SetContentLength(n)
		return 0, ""
	}
	stream := ctx.RequestBodyStream()
	if stream == nil {
		return 0, ""
	}
	length := ctx.Request.Header.ContentLength() // -1 = chunked
	first := length
	if length < 0 || length > firstBuffer {
		first = firstBuffer
	}
	if c.body = s.bodies.acquire(max(first, 1)); c.body == nil {
		return s.outOfMemory()
	}
	for nextLap := 0; ; {
		b := c.body
		if len(b.b) >= nextLap && len(b.b) >= firstBuffer {
			nextLap = len(b.b) + lap
			c.restartClock()
		}
		n, err := stream.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case len(b.b) > int(s.cfg.MaxBody):
			return s.tooLarge()
		case err == io.EOF && (length < 0 || len(b.b) == length):
			ctx.Request.SetBodyRaw(b.b)
			return 0, ""
		case err != nil:
			return c.bodyError(len(b.b), length)
		case len(b.b) == cap(b.b):
			if c.body = s.grow(b, length); c.body == nil {
				c.body = b
				return s.outOfMemory()
			}
		}
	}
}

// grow doubles b, up to the length of the body if that is known, and up to one byte over the limit if not.
func (s *Server) grow(b *body, length int) *body {
	most := int(s.cfg.MaxBody) + 1
	if length >= 0 {
		most = length
	}
	return s.bodies.grow(b, max(min(2*cap(b.b), most), cap(b.b)+1))
}

func (s *Server) tooLarge() (status int, reason string) {
	return fasthttp.StatusRequestEntityTooLarge, fmt.Sprintf("request body is larger than %s (max_body)", s.cfg.MaxBody)
}

func (s *Server) outOfMemory() (status int, reason string) {
	s.counters.bodies.Add(1)
	return fasthttp.StatusServiceUnavailable, fmt.Sprintf("request bodies in flight take more than %s (max_body_memory); try again", s.cfg.MaxBodyMemory)
}

func (c *conn) bodyError(got, length int) (status int, reason string) {
	switch {
	case c.late:
		return fasthttp.StatusRequestTimeout, fmt.Sprintf("request body came too slowly: %d bytes so far (read_timeout)", got)
	case length >= 0:
		return fasthttp.StatusBadRequest, fmt.Sprintf("request body ended after %d of %d bytes", got, length)
	}
	return fasthttp.StatusBadRequest, fmt.Sprintf("malformed chunked request body after %d bytes", got)
}
