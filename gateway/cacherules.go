package gateway

import (
	"bytes"
	"slices"

	"github.com/valyala/fasthttp"
)

// keyed are the request's headers that are part of the key. The rest of a request's headers must not change the answer;
// a node whose answers depend on another one says so in Vary, and then its answers are not kept.
var keyed = [...]string{
	fasthttp.HeaderAuthorization, fasthttp.HeaderCookie, "X-Api-Key", // who asks
	fasthttp.HeaderAccept, fasthttp.HeaderAcceptEncoding, // for what
	fasthttp.HeaderContentType, fasthttp.HeaderContentEncoding, headerInferLength, // in which words
}

// useOf reads from a request's header how the cache may be used for it. It is a bypass when a header of the key occurs
// more than once: a node gets all of them, and we cannot know which one it goes by. (fasthttp itself makes one of two
// Cookies and of two Content-Types, for the key and for the node alike.)
//
// A client may demand an answer of the moment: no-cache, or the same in older words. It cannot choose an age in between,
// since the cache does not tell ages.
func useOf(h *fasthttp.RequestHeader) cacheUse {
	var asked control
	var seen [len(keyed)]bool
	for name, value := range h.All() {
		switch string(name) {
		case fasthttp.HeaderCacheControl:
			asked.read(value)
		case fasthttp.HeaderPragma: // HTTP/1.0's only directive, in the same syntax
			asked.read(value)
		default:
			if i := slices.Index(keyed[:], text(name)); i >= 0 {
				if seen[i] {
					return cacheBypass
				}
				seen[i] = true
			}
		}
	}
	switch {
	case asked.noStore:
		return cacheBypass
	case asked.stale:
		return cacheRefresh
	}
	return cacheMiss
}

// mayKeep refuses answers that a node forbids to keep or to share, those that depend on more than the key holds, and
// those whose body cannot be read, or given to another, without what came along: an encoding, a cookie, a second length.
//
// What is kept of an answer is its meaning: body, Content-Type and Inference-Header-Content-Length. Other headers (who
// answered, how long it took, a validator) belong to the one message that brought it, and a hit does not have them.
func mayKeep(h *fasthttp.ResponseHeader) bool {
	if len(h.ContentEncoding()) > 0 || len(h.Peek(fasthttp.HeaderSetCookie)) > 0 || len(h.PeekAll(headerInferLength)) > 1 {
		return false
	}
	for _, names := range h.PeekAll(fasthttp.HeaderVary) {
		if !variesByKeyOnly(names) {
			return false
		}
	}
	var said control
	for _, line := range h.PeekAll(fasthttp.HeaderCacheControl) {
		said.read(line)
	}
	return said == control{}
}

// variesByKeyOnly reports whether every header that a line of Vary names is part of the key. "*" is none.
func variesByKeyOnly(names []byte) bool {
	for name := range bytes.SplitSeq(names, []byte{','}) {
		name = bytes.TrimSpace(name)
		isThis := func(k string) bool { return bytes.EqualFold(name, []byte(k)) }
		if len(name) > 0 && !slices.ContainsFunc(keyed[:], isThis) {
			return false
		}
	}
	return true
}

// control is what the lines of a Cache-Control say, as far as it forbids something.
type control struct {
	noStore bool
	private bool // for one caller only, as a whole or in part
	stale   bool // good for the moment only: no-cache, or an age of zero or of no sense
}

// read adds a line. A comma inside quotes is taken for one between directives: the words behind it can only forbid more.
func (c *control) read(line []byte) {
	for directive := range bytes.SplitSeq(line, []byte{','}) {
		name, value, _ := bytes.Cut(directive, []byte{'='})
		name = bytes.TrimSpace(name)
		switch {
		case bytes.EqualFold(name, []byte("no-store")):
			c.noStore = true
		case bytes.EqualFold(name, []byte("private")):
			c.private = true
		case bytes.EqualFold(name, []byte("no-cache")):
			c.stale = true
		case bytes.EqualFold(name, []byte("max-age")), bytes.EqualFold(name, []byte("s-maxage")):
			c.stale = c.stale || !positive(value)
		}
	}
}

// positive reports whether a directive's value is a number above zero, of any length.
func positive(value []byte) bool {
	digits := bytes.TrimLeft(bytes.Trim(value, " \t\""), "0")
	return len(digits) > 0 && '1' <= digits[0] && digits[0] <= '9'
}

// mayBeSequence reports whether a question may belong to a sequence, whose answers depend on what was asked before. A
// name can be spelled with escapes ("sequence\u005fid"), so an escape of a letter or an underscore is taken for one. No
// encoder writes such escapes by itself; those that text needs, for control characters and from \u0080 on, do no harm.
func mayBeSequence(json []byte) bool {
	if bytes.Contains(json, []byte(`"sequence_id"`)) {
		return true
	}
	const escape = `\u00`
	for {
		i := bytes.Index(json, []byte(escape))
		if i < 0 || i+len(escape) == len(json) {
			return false
		}
		json = json[i+len(escape):]
		if '4' <= json[0] && json[0] <= '7' { // \u0040 to \u007f
			return true
		}
	}
}
