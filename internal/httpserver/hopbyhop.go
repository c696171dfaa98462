package httpserver

import "bytes"

// Header is the part of fasthttp's RequestHeader and ResponseHeader that StripHopByHop needs.
type Header interface {
	PeekAll(key string) [][]byte
	Del(key string)
	DelBytes(key []byte)
}

// hopByHop are the headers that never leave the connection they came on. Transfer-Encoding is among them because bodies
// are framed anew, Expect because we have answered it.
var hopByHop = [...]string{
	"Connection", "Expect", "Http2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// endToEnd are headers that Connection cannot take away, whatever it names: else a client could strip a request of what
// identifies, secures, frames or traces it on the way to the node.
var endToEnd = [...]string{
	"Host", "Authorization", "Cookie", "Content-Type", "Content-Length", "Content-Encoding", "Inference-Header-Content-Length",
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id", "Traceparent", "Tracestate",
}

// StripHopByHop removes the headers that are meant for one connection only, those that Connection names included, so
// that h can be passed on. It works for requests and responses, and allocates nothing.
func StripHopByHop(h Header) {
	for _, value := range h.PeekAll("Connection") {
		for len(value) > 0 {
			var name []byte
			name, value, _ = bytes.Cut(value, []byte{','})
			if name = bytes.Trim(name, " \t"); len(name) > 0 && !isEndToEnd(name) {
				h.DelBytes(name)
			}
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

func isEndToEnd(name []byte) bool {
	for _, e := range endToEnd {
		if len(e) == len(name) && bytes.EqualFold(name, []byte(e)) {
			return true
		}
	}
	return false
}
