package gateway

import (
	"ganglion/cache"
	"ganglion/internal/oip"
)

// Inferences may come as protobuf messages: every gRPC call is one. What the cache needs of them stands here.

// askedHead is how much of a message without its id is copied to be in one piece. Clients write the id among the first
// fields, before the tensors; what lies beyond is keyed where it is.
const askedHead = 1 << 10

// messageQuestion is question for a body that is a ModelInferRequest. Two encodings of the same request are two questions:
// a miss more, but never an answer to another request.
func (x *exchange) messageQuestion() (id []byte, cacheable bool) {
	msg := x.req.Body()
	head, err := oip.ScanProtoHead(msg)
	if err != nil || head.Repeated || oip.ProtoMayBeSequence(msg) {
		return nil, false
	}
	// The name and the version in the message are part of what stays, though nodes go by the path's.
	start, end := head.IDSpan.Start, head.IDSpan.End
	var rest []byte
	x.asked = append(x.asked[:0], msg[:start]...)
	if cut := end + max(askedHead-start, 0); cut < len(msg) && start <= askedHead {
		x.asked, rest = append(x.asked, msg[end:cut]...), msg[cut:]
	} else {
		x.asked = append(x.asked, msg[end:]...)
	}
	x.setKey('p', x.asked, rest)
	return head.ID, true
}

// withoutID returns an answer's message without its id, in dst's memory; ok is false for what is not kept.
func withoutID(dst, msg []byte) (_ []byte, ok bool) {
	head, err := oip.ScanProtoHead(msg)
	if err != nil || head.Repeated {
		return dst, false
	}
	dst = append(dst, msg[:head.IDSpan.Start]...)
	return append(dst, msg[head.IDSpan.End:]...), true
}

// writeMessageHit answers with a message that the cache has, under the caller's own id. A field may stand anywhere in a
// message, so that the id goes behind the rest.
func (x *exchange) writeMessageHit(a *cache.Answer, id []byte) {
	if len(id) == 0 {
		x.resp.SetBodyRaw(a.Body) // immutable: no copy
		return
	}
	x.resp.SetBody(a.Body)
	x.scratch = oip.AppendProtoID(x.scratch[:0], id)
	x.resp.AppendBody(x.scratch)
}
