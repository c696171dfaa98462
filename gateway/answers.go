package gateway

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/valyala/fasthttp"

	"ganglion/cache"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

// cacheUse is what the cache had to do with an exchange.
type cacheUse uint8

const (
	cacheOff     cacheUse = iota // the route, or the call, is not cached
	cacheBypass                  // a request that must not be answered from memory
	cacheMiss                    // nothing there: a node is asked, the answer may be kept
	cacheRefresh                 // told to ask a node; the answer may be kept
	cacheHit
)

// String is the word in the access log.
func (u cacheUse) String() string {
	return [...]string{"off", "bypass", "miss", "refresh", "hit"}[u]
}

// answerFromCache answers the exchange from memory if it can, and reports whether it did. If it could not, it leaves
// in x.use and x.key what remember needs.
func (x *exchange) answerFromCache() bool {
	store := x.gateway.cache.Load()
	if store == nil {
		return false
	}
	id, look := x.considerCache()
	if !look {
		return false
	}
	answer, ok := store.Lookup(x.key)
	if !ok {
		x.route.cacheTally.misses.Add(1)
		return false
	}
	x.route.cacheTally.hits.Add(1)
	x.use = cacheHit
	x.reason = reasonCacheHit
	x.writeHit(answer, id)
	return true
}

// considerCache finds out how the cache may be used, makes the key if it may, and reports whether the answer may come from memory.
// id is the request's own.
func (x *exchange) considerCache() (id []byte, look bool) {
	if x.route.ttl <= 0 || !answersModel(x.call.Kind) {
		return nil, false
	}
	h := &x.req.Header
	httpserver.StripHopByHop(h) // first of all: what makes the key must be what a node gets
	if x.use = useOf(h); x.use == cacheBypass {
		return nil, false
	}
	id, cacheable := x.question()
	if !cacheable {
		x.use = cacheBypass
		return nil, false
	}
	return id, x.use != cacheRefresh
}

// question makes the key of what was asked: everything that may change the answer, and nothing else. That is the variant,
// the call with its version and query, the headers in keyed, and the body. id is the request's own id, which the answer
// has to carry but which does not change it.
//
// Who asks is part of the key: callers with different credentials never share an answer, since the time it takes would
// tell one what another has asked.
func (x *exchange) question() (id []byte, cacheable bool) {
	h := &x.req.Header
	if string(h.ContentType()) == oip.ProtoContentType {
		return x.messageQuestion()
	}
	length := peek(h, headerInferLength)
	json, tensors, ok := split(x.req.Body(), length)
	if !ok || mayBeSequence(json) {
		return nil, false
	}
	start, end := 0, 0
	if x.call.Kind == oip.CallModelInfer {
		if id, start, end, ok = oip.CutID(json); !ok {
			return nil, false
		}
	}
	framing := byte('j')
	if len(length) > 0 {
		framing = 'b'
	}
	if len(id) > 0 {
		// What is left must be one piece: where the id stood is no part of the question.
		x.asked = append(append(x.asked[:0], json[:start]...), json[end:]...)
		json = x.asked
	}
	x.setKey(framing, json, tensors)
	return id, true
}

// setKey makes the key of a question whose body, without its id, is head and tail together.
func (x *exchange) setKey(framing byte, head, tail []byte) {
	h := &x.req.Header
	x.scratch = append(x.scratch[:0], byte(x.call.Kind), framing)
	x.scratch = binary.LittleEndian.AppendUint64(x.scratch, x.route.loads.Load())
	x.scratch = append(append(x.scratch, x.variant.versionFor(x.call)...), '/')
	x.scratch = append(x.scratch, x.call.Model...)
	x.key = cache.NewKey(
		x.variant.identity, x.scratch, x.query,
		h.ContentType(), h.ContentEncoding(), peek(h, fasthttp.HeaderAcceptEncoding), peek(h, fasthttp.HeaderAccept),
		peek(h, fasthttp.HeaderAuthorization), peek(h, fasthttp.HeaderCookie), peek(h, "X-Api-Key"),
		head, tail,
	)
}

// split takes a body apart into its JSON and the tensors behind it, as its Inference-Header-Content-Length says. A
// length that does not fit is for the node to complain about.
func split(body, length []byte) (json, tensors []byte, ok bool) {
	if len(length) == 0 {
		return body, nil, true
	}
	n, ok := atoi(length)
	if !ok || n == 0 || n > len(body) { // 0: the whole body is one raw tensor, there is no JSON to look into
		return nil, nil, false
	}
	return body[:n], body[n:], true
}

// atoi reads a plain decimal number.
func atoi(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 10 { // ten digits hold any length that a body can have
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// writeHit answers with what the cache has, under the caller's own id.
func (x *exchange) writeHit(a *cache.Answer, id []byte) {
	resp := x.resp
	resp.Header.SetNoDefaultContentType(true)
	if a.ContentType != "" {
		resp.Header.SetContentType(a.ContentType)
	}
	resp.Header.SetBytesV(headerRequestID, x.id)
	resp.Header.Set(headerCache, "hit")
	if a.ContentType == oip.ProtoContentType {
		x.writeMessageHit(a, id)
		return
	}
	length := a.HeaderLength
	if len(id) == 0 {
		resp.SetBodyRaw(a.Body) // immutable: no copy
	} else {
		x.scratch = appendID(x.scratch[:0], a.Body, id)
		spliced := len(x.scratch)
		brace := bytes.IndexByte(a.Body, '{') + 1
		resp.SetBody(x.scratch)
		resp.AppendBody(a.Body[brace:])
		length += spliced - brace
	}
	if a.HeaderLength >= 0 {
		x.scratch = strconv.AppendInt(x.scratch[:0], int64(length), 10)
		resp.Header.SetBytesV(headerInferLength, x.scratch)
	}
}

// appendID appends the beginning of a JSON object up to and including the given id as its first member; what follows
// the opening brace of the object follows it.
func appendID(dst, object, id []byte) []byte {
	brace := bytes.IndexByte(object, '{') + 1
	dst = append(dst, object[:brace]...)
	dst = append(dst, `"id":`...)
	dst = append(dst, id...)
	if rest := bytes.TrimLeft(object[brace:], " \t\r\n"); len(rest) > 0 && rest[0] != '}' {
		dst = append(dst, ',')
	}
	return dst
}

// remember keeps the answer of a node, without its id, for the next one who asks the same. It runs after the answer
// was written.
func (x *exchange) remember() {
	if x.reason != reasonOK || x.status != fasthttp.StatusOK || (x.use != cacheMiss && x.use != cacheRefresh) {
		return
	}
	resp := x.resp
	h := &resp.Header
	body := resp.Body()
	if !mayKeep(h) {
		return
	}
	length := -1
	if sent := h.Peek(headerInferLength); len(sent) > 0 {
		length, _ = atoi(sent)
	}
	json, tensors, ok := split(body, h.Peek(headerInferLength))
	if !ok {
		return
	}
	switch {
	case string(h.ContentType()) == oip.ProtoContentType:
		if x.scratch, ok = withoutID(x.scratch[:0], body); !ok {
			return
		}
		body = x.scratch
	case x.call.Kind == oip.CallModelInfer:
		_, start, end, ok := oip.CutID(json)
		if !ok {
			return
		}
		x.scratch = append(x.scratch[:0], json[:start]...)
		x.scratch = append(x.scratch, json[end:]...)
		x.scratch = append(x.scratch, tensors...)
		if body = x.scratch; length >= 0 {
			length -= end - start
		}
	}
	answer := cache.Answer{Body: body, ContentType: string(h.ContentType()), HeaderLength: length}
	if store := x.gateway.cache.Load(); x.use == cacheRefresh {
		store.Replace(x.key, &answer, x.route.ttl)
	} else {
		store.Store(x.key, &answer, x.route.ttl)
	}
}
