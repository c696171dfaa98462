package httpserver

import (
	"bytes"
	"slices"
	"unsafe"

	"github.com/valyala/fasthttp"
)

// fasthttp either reads a whole body into memory that its sender's Content-Length has asked for, or makes a stream of it, which
// for a small one costs two pools, two copies, and an allocation when it makes sure that nothing is left of it. So small bodies
// are kept out of its sight: a read that has brought a whole head ends there for fasthttp, which thus holds nothing beyond;
// headerReceived takes the length away; and readBody gives the handler the bytes where they are.
//
// What ends a head must be the same here and in fasthttp, or one request could be smuggled inside of another. So whatever is
// not plain is left to fasthttp whole: a head that did not come in one read, a line that does not end in CRLF, an empty line
// before the first. A body that is chunked, large, or waits for a 100 Continue is fasthttp's as well.
type framing struct {
	ahead []byte // bytes that have been read and, from at on, not been handed out
	at    int

	atHead bool // what is handed out next begins a request
	alone  bool // fasthttp has been handed the head of the request, and nothing behind it
	hidden int  // length of the body that fasthttp does not know of; 0 = there is none
}

// begin expects the next request.
func (f *framing) begin() { f.atHead, f.alone, f.hidden = true, false, 0 }

// buffered hands out what has been read before.
func (f *framing) buffered(p []byte) int {
	n := f.hand(p[:copy(p, f.ahead[f.at:])])
	f.at += n
	return n
}

// received hands out what has just been read, and keeps the rest. Nothing is left from before.
func (f *framing) received(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	n := f.hand(b)
	if n < len(b) {
		f.ahead, f.at = append(f.ahead[:0], b[n:]...), 0
	}
	return n
}

// hand is how much of b fasthttp gets to see.
func (f *framing) hand(b []byte) int {
	if !f.atHead {
		f.alone = false
		return len(b)
	}
	f.atHead = false
	end := headEnd(b)
	if f.alone = end > 0; f.alone {
		return end
	}
	return len(b)
}

// headEnd is the length of the head that b begins with, 0 if it is not whole, or not plain.
func headEnd(b []byte) int {
	for at := 0; ; {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 1 || b[at+n-1] != '\r' {
			return 0
		}
		if b[at] == '\r' {
			if n > 1 || at == 0 {
				return 0
			}
			return at + 2
		}
		at += n + 1
	}
}

// hideBody has fasthttp take the request for one without a body, if its body is small and can be found in ahead.
func (f *framing) hideBody(h *fasthttp.RequestHeader) {
	length := h.ContentLength()
	if !f.alone || length <= 0 || length > firstBuffer || len(h.PeekCanonical([]byte("Expect"))) > 0 {
		return
	}
	f.hidden = length
	h.SetContentLength(-2) // what fasthttp calls a request that says nothing of a body
}

// hiddenBody receives the body that fasthttp does not know of. It is good until the connection expects the next request.
func (c *conn) hiddenBody() ([]byte, error) {
	f := &c.framing
	end := f.at + f.hidden
	f.ahead = slices.Grow(f.ahead, max(0, end-len(f.ahead)))
	for len(f.ahead) < end {
		n, err := c.receive(f.ahead[len(f.ahead):end])
		f.ahead = f.ahead[:len(f.ahead)+n]
		if err != nil {
			return f.ahead[f.at:], err
		}
	}
	body := f.ahead[f.at:end]
	f.at = end
	return body, nil
}

// connOf is the connection that a request came by, of whose context fasthttp shows a hook nothing but the header.
func connOf(h *fasthttp.RequestHeader) *conn {
	const inside = unsafe.Offsetof(fasthttp.RequestCtx{}.Request) + unsafe.Offsetof(fasthttp.Request{}.Header)
	ctx := (*fasthttp.RequestCtx)(unsafe.Add(unsafe.Pointer(h), -int(inside)))
	return ctx.Conn().(*conn) // accept makes nothing else
}
