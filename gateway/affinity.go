package gateway

import (
	"net/textproto"

	"github.com/cespare/xxhash/v2"

	"ganglion/balancer"
	"ganglion/internal/oip"
)

// headerSequence names the sequence that a request is a part of. Its nodes keep what came before, so that all of a sequence
// must meet the same one. The parameter sequence_id of a request says the same; the header is quicker to find.
const headerSequence = "X-Sequence-Id"

// aim is what an exchange wants of the choice of its node.
type aim struct {
	key     uint64 // the same for requests that should meet; 0 = none
	stick   bool   // they must
	willing bool   // a node has refused it: none that wants to be left alone
}

// aim finds out which requests this one should meet. Keys depend on nothing but the request, so that gateways agree.
func (x *exchange) aim() aim {
	h := &x.req.Header
	if id := peek(h, headerSequence); len(id) > 0 {
		return aim{key: keyOf([]byte(x.call.Model), id), stick: true}
	}
	if x.scratch = x.appendSequence(x.scratch[:0]); len(x.scratch) > 0 {
		return aim{key: keyOf([]byte(x.call.Model), x.scratch), stick: true}
	}
	pool := x.variant.pool
	switch {
	case !pool.keyed:
		return aim{}
	case pool.keyHeader != "":
		if value := peek(h, pool.keyHeader); len(value) > 0 {
			return aim{key: keyOf(nil, value)}
		}
		return aim{}
	}
	return aim{key: x.questionKey()}
}

// appendSequence appends the id of the sequence that the request itself says it is a part of. In a body that is compressed nobody
// looks.
func (x *exchange) appendSequence(dst []byte) []byte {
	h := &x.req.Header
	if x.call.Kind != oip.CallModelInfer || len(h.ContentEncoding()) > 0 {
		return dst
	}
	if string(h.ContentType()) == oip.ProtoContentType {
		return oip.AppendProtoSequence(dst, x.req.Body())
	}
	if json, _, ok := split(x.req.Body(), peek(h, headerInferLength)); ok {
		return oip.AppendSequence(dst, json)
	}
	return dst
}

// questionKey is the same for requests that ask the same: the model and the body without the request's id.
func (x *exchange) questionKey() uint64 {
	body := x.req.Body()
	start, end := 0, 0
	if string(x.req.Header.ContentType()) == oip.ProtoContentType {
		if head, err := oip.ScanProtoHead(body); err == nil && !head.Repeated {
			start, end = head.IDSpan.Start, head.IDSpan.End
		}
	} else if json, _, ok := split(body, peek(&x.req.Header, headerInferLength)); ok && x.call.Kind == oip.CallModelInfer {
		if _, from, to, ok := oip.CutID(json); ok {
			start, end = from, to
		}
	}
	return keyOf([]byte(x.call.Model), body[:start], body[end:])
}

// keyOf hashes the parts as one, within a scope. It is never 0.
func keyOf(scope []byte, parts ...[]byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(scope)
	_, _ = d.Write([]byte{0}) // which no name has
	for _, part := range parts {
		_, _ = d.Write(part)
	}
	return max(1, d.Sum64())
}

// heed makes the upstream look for keys where its pool's configuration says.
func (up *upstream) heed(cfg balancer.Config) {
	up.keyed = cfg.Policy == balancer.ConsistentHash
	up.keyHeader = textproto.CanonicalMIMEHeaderKey(cfg.Hash.Header)
}
