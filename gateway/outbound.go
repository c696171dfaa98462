package gateway

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

// methodQuery is a POST that says of itself that it changes nothing (RFC 10008).
const methodQuery = "QUERY"

// The headers that the gateway itself reads or writes.
const (
	headerRequestID    = "X-Request-Id"
	headerCache        = "X-Cache"
	headerInferLength  = "Inference-Header-Content-Length"
	headerForwardedFor = "X-Forwarded-For"
	headerTiming       = "Server-Timing"
	headerTraceparent  = "Traceparent"
	headerTracestate   = "Tracestate"
)

// peek returns the value of a header whose name is given as fasthttp writes it ("X-Api-Key"). fasthttp's own Peek brings
// the name into that form each time, which cost 3 % of a cached answer.
func peek(h *fasthttp.RequestHeader, canonical string) []byte {
	return h.PeekCanonical([]byte(canonical))
}

// appendTarget appends the path of the call in its one canonical form, with the given version instead of the client's
// when there is one, and the query as it came. What was routed is thus exactly what a node gets to read: no second
// spelling of a path can slip past a rule here and mean something there.
func appendTarget(dst []byte, call oip.Call, version string, query []byte) []byte {
	if version == "" {
		version = call.Version
	}
	v1 := call.Kind == oip.CallV1Model || call.Kind == oip.CallV1Predict
	if v1 {
		dst = append(dst, "/v1/models/"...)
	} else {
		dst = append(dst, "/v2/models/"...)
	}
	dst = append(dst, call.Model...)
	if version != "" {
		dst = append(dst, "/versions/"...)
		dst = append(dst, version...)
	}
	dst = append(dst, suffixOf(call.Kind)...)
	if len(query) > 0 {
		dst = append(dst, '?')
		dst = append(dst, query...)
	}
	return dst
}

func suffixOf(k oip.Kind) string {
	switch k {
	case oip.CallModelInfer:
		return "/infer"
	case oip.CallModelReady:
		return "/ready"
	case oip.CallModelConfig:
		return "/config"
	case oip.CallModelStatistics:
		return "/stats"
	case oip.CallV1Predict:
		return ":predict"
	}
	return ""
}

// appendHeaders appends the headers a node gets: the client's, less what belongs to its connection and less what it has no
// business to claim, plus what we know about it. They point into the request's memory and the exchange's.
func (x *exchange) appendHeaders(dst []hop.Header) []hop.Header {
	h := &x.req.Header
	httpserver.StripHopByHop(h)
	for key, value := range h.All() {
		if passesOn(key) {
			dst = append(dst, hop.Header{Name: key, Value: value})
		}
	}
	dst = append(dst, hop.Header{Name: nameRequestID, Value: x.id}, hop.Header{Name: nameForwardedFor, Value: x.client})
	if host := h.Host(); len(host) > 0 {
		dst = append(dst, hop.Header{Name: nameForwardedHost, Value: host})
	}
	if x.secure {
		return append(dst, hop.Header{Name: nameForwardedProto, Value: protoHTTPS})
	}
	return append(dst, hop.Header{Name: nameForwardedProto, Value: protoHTTP})
}

// Words that are put into headers, as the slices that headers are made of. They do not change.
var (
	nameRequestID      = []byte(headerRequestID)
	nameForwardedFor   = []byte(headerForwardedFor)
	nameForwardedHost  = []byte("X-Forwarded-Host")
	nameForwardedProto = []byte("X-Forwarded-Proto")
	protoHTTP          = []byte("http")
	protoHTTPS         = []byte("https")
	methodPost         = []byte("POST")
)

// appendLines appends headers as lines, and parseLines reads such lines: that is how a shadow's copy keeps them.
func appendLines(dst []byte, headers []hop.Header) []byte {
	for i := range headers {
		dst = appendLine(dst, headers[i].Name, headers[i].Value)
	}
	return dst
}

func parseLines(dst []hop.Header, lines []byte) []hop.Header {
	for line := range bytes.SplitSeq(lines, []byte("\r\n")) {
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok {
			dst = append(dst, hop.Header{Name: name, Value: value})
		}
	}
	return dst
}

func appendLine[T ~string | ~[]byte](dst []byte, key T, value []byte) []byte {
	dst = append(dst, key...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// passesOn reports whether a client's header reaches the node. Hop-by-hop headers are gone by now; what is left out
// here is set anew (the body is framed again, the node has its own Host), or would let a client pretend to be somebody:
// where it comes from is for us to say. Names with an underscore are dropped because servers that turn names into
// variables cannot tell X_Forwarded_For from X-Forwarded-For.
func passesOn(key []byte) bool {
	switch string(key) { // fasthttp has brought the name into this form
	case "Host", "Content-Length", "Forwarded", "X-Real-Ip", headerRequestID, oip.TimeoutName:
		return false
	}
	return !bytes.HasPrefix(key, []byte("X-Forwarded-")) && bytes.IndexByte(key, '_') < 0
}

// cleanAnswer takes from a node's answer what was meant for the connection to us, its Connection: close included: the
// node's connection ends, the client's does not.
func (x *exchange) cleanAnswer() {
	h := &x.resp.Header
	httpserver.StripHopByHop(h)
	h.SetProtocol([]byte("HTTP/1.1"))
	own, timed := lookOver(h)
	if timed {
		x.addTiming(h)
	}
	if own {
		h.Del(fasthttp.HeaderServer)
		h.Del(oip.RefusalName)
		h.Del(headerCache)
		h.Del(headerRequestID)
	}
	h.SetNoDefaultContentType(true)
	h.SetBytesV(headerRequestID, x.id)
	switch x.use {
	case cacheMiss, cacheRefresh:
		// The cache was part of it and a node had to be asked, whatever it said then.
		h.Set(headerCache, "miss")
	case cacheOff, cacheBypass, cacheHit: // the cache had no part in this answer
	}
}

// lookOver reports whether an answer has a header that is not for the client: what serves the node, what it says to us alone,
// and what we set ourselves, which it may have sent several times; and whether it says where its time went. Looking costs one
// walk over few headers; deleting each of them, which are rarely there, would cost one each.
func lookOver(h *fasthttp.ResponseHeader) (own, timed bool) {
	for name := range h.All() {
		switch string(name) { // fasthttp has brought the name into this form
		case fasthttp.HeaderServer, oip.RefusalName, headerCache, headerRequestID:
			own = true
		case headerTiming:
			timed = true
		}
	}
	return own, timed
}

// addTiming adds to what a node that was asked says of its time what passed here: edge-queue is the wait for room at
// a node, if there was one, upstream that for nodes, edge all of it, in milliseconds as that header has them.
func (x *exchange) addTiming(h *fasthttp.ResponseHeader) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	timing := string(h.Peek(headerTiming))
	if x.queued > 0 {
		timing += fmt.Sprintf(", edge-queue;dur=%.3f", ms(x.queued))
	}
	h.Set(headerTiming, fmt.Sprintf("%s, upstream;dur=%.3f, edge;dur=%.3f", timing, ms(x.upstream), ms(time.Since(x.start))))
}

// appendRequestID appends the client's id for the request if it can be trusted to be harmless in headers and logs, or
// else a fresh one.
func appendRequestID(dst, sent []byte) []byte {
	if saneID(sent) {
		return append(dst, sent...)
	}
	// 128 random bits, as in a trace id: ids of several gateways land in one log.
	var raw [16]byte
	for i, word := range [2]uint64{rand.Uint64(), rand.Uint64()} {
		for b := range 8 {
			raw[8*i+b] = byte(word >> (8 * b))
		}
	}
	return hex.AppendEncode(dst, raw[:])
}

// saneID accepts what ids are made of: UUIDs, trace ids, base64, paths of calls. 128 bytes hold any of them.
func saneID(id []byte) bool {
	if len(id) == 0 || len(id) > 128 {
		return false
	}
	for _, c := range id {
		if !isAlphanumeric(c) && bytes.IndexByte([]byte("-_.:/+="), c) < 0 {
			return false
		}
	}
	return true
}

// appendClient appends the address of whoever is at the other end of a connection, without its port.
func appendClient(dst []byte, remote net.Addr) []byte {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return append(dst, "unknown"...) // RFC 7239's word for it
	}
	addr, ok := netip.AddrFromSlice(tcp.IP)
	if !ok {
		return append(dst, "unknown"...)
	}
	return addr.Unmap().AppendTo(dst)
}
