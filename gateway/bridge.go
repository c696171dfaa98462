package gateway

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/valyala/fasthttp"

	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

// A client's inference and the node that is to answer it may speak different forms of the protocol. What stands here turns
// one into the other around an attempt: the tensors' bytes are copied once on the way, and never decoded.

// bridges holds what conversions need, for the next one.
type bridges struct{ spare sync.Pool }

// bridge is the memory of one conversion.
type bridge struct {
	request  oip.InferRequest
	response oip.InferResponse
	body     []byte // of the request
	answer   []byte // of the answer
	headers  []hop.Header
	length   []byte // the request's Inference-Header-Content-Length
}

func (p *bridges) acquire() *bridge {
	if b, ok := p.spare.Get().(*bridge); ok {
		return b
	}
	return new(bridge)
}

func (p *bridges) release(b *bridge) {
	b.request.Reset(keepScratch)
	b.response.Reset(keepScratch)
	clear(b.headers)
	b.body, b.answer, b.headers = capped(b.body), capped(b.answer), b.headers[:0]
	p.spare.Put(b)
}

// isMessage reports whether out carries a ModelInferRequest, which plain HTTP servers cannot read.
func isMessage(out *outbound) bool {
	for i := range out.headers {
		if string(out.headers[i].Name) == fasthttp.HeaderContentType {
			return string(out.headers[i].Value) == oip.ProtoContentType
		}
	}
	return false
}

// overREST carries a ModelInferRequest over a transport to a server that only knows REST: there and back in its binary
// form. out is as it was when overREST returns.
func (p *bridges) overREST(t restCarrier, out *outbound, resp *fasthttp.Response) error {
	b := p.acquire()
	defer p.release(b)
	if err := b.toREST(out.body); err != nil {
		return refuseBridged(resp, err)
	}
	body, headers := out.body, out.headers
	defer func() { out.body, out.headers = body, headers }()
	out.body, out.headers = b.body, b.headersFor(headers)
	if err := t.roundTrip(out, resp); err != nil {
		return err
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return nil // errors are JSON in either form
	}
	return b.answerAsMessage(resp)
}

// restCarrier is a transport, as far as a bridge needs one.
type restCarrier interface {
	roundTrip(out *outbound, resp *fasthttp.Response) error
}

// toREST makes b.body the REST form of a message.
func (b *bridge) toREST(msg []byte) (err error) {
	r := &b.request
	if _, _, err = r.DecodeProto(msg, messageLimits()); err != nil {
		return err
	}
	r.Parameters = withoutReserved(r.Parameters)
	r.BinaryInputs, r.BinaryDefault = true, true
	var length int
	if b.body, length, err = oip.AppendInferRequest(b.body[:0], r); err != nil {
		return err
	}
	b.length = b.length[:0]
	if length != oip.NoHeaderLength {
		b.length = strconv.AppendInt(b.length, int64(length), 10)
	}
	return nil
}

// messageLimits bounds what a conversion may hold. What comes in was held against server.max_body or upstream.max_answer
// before, and takes no more when it is converted.
func messageLimits() oip.Limits {
	lim := oip.DefaultLimits()
	lim.Elements, lim.DecodedBytes = 1<<40, 1<<40
	return lim
}

// withoutReserved drops the parameters that belong to gRPC alone: Triton's C++ client sends one with every call, and
// Triton's REST side refuses all of that prefix.
func withoutReserved(params oip.Parameters) oip.Parameters {
	kept := params[:0]
	for _, p := range params {
		if len(p.Name) < len(reservedPrefix) || p.Name[:len(reservedPrefix)] != reservedPrefix {
			kept = append(kept, p)
		}
	}
	return kept
}

// errUnreadable means that a node's answer is none to an inference.
var errUnreadable = errors.New("the node's answer cannot be read")

const reservedPrefix = "triton_"

var (
	nameContentType = []byte(fasthttp.HeaderContentType)
	nameInferLength = []byte(headerInferLength)
	typeBinary      = []byte("application/octet-stream")
	typeJSON        = []byte("application/json")
)

// headersFor is what describes b.body in place of what described the message.
func (b *bridge) headersFor(headers []hop.Header) []hop.Header {
	b.headers = b.headers[:0]
	for _, h := range headers {
		if string(h.Name) != fasthttp.HeaderContentType && string(h.Name) != headerInferLength {
			b.headers = append(b.headers, h)
		}
	}
	if len(b.length) == 0 {
		return append(b.headers, hop.Header{Name: nameContentType, Value: typeJSON})
	}
	b.headers = append(b.headers, hop.Header{Name: nameContentType, Value: typeBinary}, hop.Header{Name: nameInferLength, Value: b.length})
	return b.headers
}

// answerAsMessage turns a REST answer into a ModelInferResponse.
func (b *bridge) answerAsMessage(resp *fasthttp.Response) error {
	h := &resp.Header
	if len(h.ContentEncoding()) > 0 {
		return fmt.Errorf("%w: it is compressed, which was not asked for", errUnreadable)
	}
	length, err := oip.ParseHeaderLength(h.Peek(headerInferLength))
	if err == nil {
		err = b.response.Decode(resp.Body(), length, messageLimits())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	b.answer = oip.AppendProtoInferResponse(b.answer[:0], &b.response)
	resp.SetBody(b.answer)
	h.SetContentType(oip.ProtoContentType)
	h.Del(headerInferLength)
	return nil
}

// refuseBridged answers a request that cannot be put into the form that the node understands. No other node could have it
// in another one.
func refuseBridged(resp *fasthttp.Response, err error) error {
	resp.Reset()
	status, text := fasthttp.StatusBadRequest, err.Error()
	if e, ok := errors.AsType[*oip.Error](err); ok {
		status, text = e.Code.HTTPStatus(), e.Msg
	}
	httpserver.SetError(resp, status, text)
	return nil
}
