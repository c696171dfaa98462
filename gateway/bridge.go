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
	length   []byte // an Inference-Header-Content-Length
	wanted   []bool // which outputs the client wants as binary data
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

// overREST carries an inference that came as a message, or with binary data, over a transport to a server that only knows
// REST, in its binary form if binary, and else as JSON, as far as JSON can say it. out is as it was when overREST returns.
func (p *bridges) overREST(t restCarrier, out *outbound, resp *fasthttp.Response, binary bool, inflated int) error {
	b := p.acquire()
	defer p.release(b)
	message := isMessage(out)
	if err := b.read(out, message, inflated); err != nil {
		return refuseBridged(resp, err)
	}
	if err := b.toREST(binary); err != nil {
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
	return b.translate(resp, message)
}

// restCarrier is a transport, as far as a bridge needs one.
type restCarrier interface {
	roundTrip(out *outbound, resp *fasthttp.Response) error
}

// read takes in the request that out is.
func (b *bridge) read(out *outbound, message bool, inflated int) error {
	if !message {
		return b.fromREST(out, inflated)
	}
	if _, _, err := b.request.DecodeProto(out.body, messageLimits()); err != nil {
		return err
	}
	b.request.Parameters = withoutReserved(b.request.Parameters)
	b.request.BinaryInputs, b.request.BinaryDefault = true, true
	return nil
}

// toREST makes b.body the request in REST's form: with binary data, or else as JSON. What JSON cannot say, such as FP16, goes
// as binary data in any case: then it is for the node to refuse it.
func (b *bridge) toREST(binary bool) (err error) {
	var length int
	if binary {
		b.body, length, err = oip.AppendInferRequest(b.body[:0], &b.request)
	} else if b.body, length, err = b.appendJSON(b.body[:0]); err != nil {
		b.body, length, err = oip.AppendInferRequest(b.body[:0], &b.request)
	}
	b.length = b.length[:0]
	if length != oip.NoHeaderLength {
		b.length = strconv.AppendInt(b.length, int64(length), 10)
	}
	return err
}

// appendJSON appends the request as JSON that asks for JSON. What the client wants to get is left as it is.
func (b *bridge) appendJSON(dst []byte) ([]byte, int, error) {
	r := &b.request
	wanted := r.BinaryDefault
	r.BinaryInputs, r.BinaryDefault = false, false
	b.wanted = b.wanted[:0]
	for i := range r.Outputs {
		b.wanted = append(b.wanted, r.Outputs[i].Binary)
		r.Outputs[i].Binary = false
	}
	defer func() {
		r.BinaryInputs, r.BinaryDefault = true, wanted
		for i := range r.Outputs {
			r.Outputs[i].Binary = b.wanted[i]
		}
	}()
	return oip.AppendInferRequest(dst, r)
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
		switch string(h.Name) {
		case fasthttp.HeaderContentType, fasthttp.HeaderContentEncoding, headerInferLength, fasthttp.HeaderAcceptEncoding:
		default:
			b.headers = append(b.headers, h)
		}
	}
	if len(b.length) == 0 {
		return append(b.headers, hop.Header{Name: nameContentType, Value: typeJSON})
	}
	b.headers = append(b.headers, hop.Header{Name: nameContentType, Value: typeBinary}, hop.Header{Name: nameInferLength, Value: b.length})
	return b.headers
}

// translate turns a REST answer into the form of the question: a message, or REST with those outputs as binary data that the
// client wants so.
func (b *bridge) translate(resp *fasthttp.Response, message bool) error {
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
	if !message {
		return b.answerREST(resp)
	}
	b.answer = oip.AppendProtoInferResponse(b.answer[:0], &b.response)
	resp.SetBody(b.answer)
	h.SetContentType(oip.ProtoContentType)
	h.Del(headerInferLength)
	return nil
}

// answerREST writes b.response as the client wants it, which the request says.
func (b *bridge) answerREST(resp *fasthttp.Response) error {
	for i := range b.response.Outputs {
		o := &b.response.Outputs[i]
		o.Binary = b.request.WantsBinary(o.Name)
	}
	var length int
	var err error
	if b.answer, length, err = oip.AppendInferResponse(b.answer[:0], &b.response); err != nil {
		return err // such as FP16 as JSON
	}
	resp.SetBody(b.answer)
	resp.Header.Del(headerInferLength)
	if length == oip.NoHeaderLength {
		resp.Header.SetContentTypeBytes(typeJSON)
		return nil
	}
	resp.Header.SetContentTypeBytes(typeBinary)
	b.length = strconv.AppendInt(b.length[:0], int64(length), 10)
	resp.Header.SetBytesV(headerInferLength, b.length)
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
