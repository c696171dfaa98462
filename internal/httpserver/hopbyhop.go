package httpserver

import (
	"bytes"
	"iter"

	"github.com/valyala/fasthttp"
)

// Header is a request's or a response's header: *fasthttp.RequestHeader or *fasthttp.ResponseHeader.
type Header interface {
	PeekAll(key string) [][]byte
	Del(key string)
	DelBytes(key []byte)
	Trailers() iter.Seq[[]byte]
}

// hopByHop are the headers that never leave the connection they came on. Transfer-Encoding is among them because bodies
// are framed anew, Expect because we have answered it.
var hopByHop = [...]string{
	"Connection", "Expect", "Http2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// endToEnd are headers that Connection cannot take away, whatever it names: else a client could strip a request of what
// identifies, negotiates, frames or traces it on the way to the node, and either side a message of what it says about
// keeping it. So are all whose names begin with one of endToEndFamilies.
var endToEnd = [...]string{
	"Host", "Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "Inference-Header-Content-Length",
	"Cache-Control", "Pragma", "Vary",
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id", "Traceparent", "Tracestate",
}

var endToEndFamilies = [...]string{"Accept", "Content-"}

// StripHopByHop removes the headers that are meant for one connection only, those that Connection names and trailers
// included, so that h can be passed on. It allocates nothing.
func StripHopByHop(h Header) {
	if !anyHopByHop(h) {
		return
	}
	for _, value := range h.PeekAll("Connection") {
		for len(value) > 0 {
			var name []byte
			name, value, _ = bytes.Cut(value, []byte{','})
			if name = bytes.Trim(name, " \t"); len(name) > 0 && !isEndToEnd(name) {
				h.DelBytes(name)
			}
		}
	}
	for name := range h.Trailers() {
		h.DelBytes(name) // else deleting Trailer would make them headers
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// anyHopByHop looks before anything is deleted: eleven look-ups cost 250 ns, one walk over the few headers of a usual
// request 40 ns. The switch is for the compiler, which keeps the iterator of a known type off the heap.
func anyHopByHop(h Header) bool {
	switch h := h.(type) {
	case *fasthttp.RequestHeader:
		for name := range h.All() {
			if among(hopByHop[:], name) {
				return true
			}
		}
	case *fasthttp.ResponseHeader:
		for name := range h.All() {
			if among(hopByHop[:], name) {
				return true
			}
		}
	}
	return false
}

func isEndToEnd(name []byte) bool {
	for _, family := range endToEndFamilies {
		if len(name) >= len(family) && bytes.EqualFold(name[:len(family)], []byte(family)) {
			return true
		}
	}
	return among(endToEnd[:], name)
}

func among(list []string, name []byte) bool {
	for _, l := range list {
		if len(l) == len(name) && bytes.EqualFold(name, []byte(l)) {
			return true
		}
	}
	return false
}
