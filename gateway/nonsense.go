package gateway

import (
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"
)

// errNonsense means that a node answered 200 to an inference, with something that can be no answer to one.
var errNonsense = errors.New("the node answered 200 with what is no answer to an inference")

// nonsense reports whether a good answer to an inference cannot be one: a page, or what calls itself JSON and does not begin as
// an object does. That is what a node sends behind which something else has come to listen, or in front of which somebody puts
// a page of his own, and it comes quickly: such a node would look like the best of its pool. Nothing else is looked into, so
// that the check costs no more than a few comparisons.
func nonsense(resp *fasthttp.Response) bool {
	h := &resp.Header
	if resp.StatusCode() != fasthttp.StatusOK || len(h.ContentEncoding()) > 0 {
		return false
	}
	kind := h.ContentType()
	if length := h.PeekCanonical([]byte(headerInferLength)); len(length) > 0 {
		json, _, ok := split(resp.Body(), length)
		return ok && !beginsObject(json)
	}
	if bytes.HasPrefix(kind, []byte("text/html")) || bytes.HasPrefix(kind, typeJSON) {
		return !beginsObject(resp.Body())
	}
	return false
}

// beginsObject reports whether the first byte of JSON that is no blank opens an object.
func beginsObject(json []byte) bool {
	json = bytes.TrimLeft(json, " \t\r\n")
	return len(json) > 0 && json[0] == '{'
}
