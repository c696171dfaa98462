package gateway

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

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
	oip.Bridge
	body    []byte // of the request
	answer  []byte // of the answer
	headers []hop.Header
	length  []byte // an Inference-Header-Content-Length
	loan    loan   // for a body that was inflated
}

func (p *bridges) acquire() *bridge {
	if b, ok := p.spare.Get().(*bridge); ok {
		return b
	}
	return new(bridge)
}

func (p *bridges) release(b *bridge) {
	b.loan.repay()
	b.Reset(keepScratch)
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
// REST: in its binary form if binary, and else as JSON. What JSON cannot say, such as FP16, goes as binary data in any case,
// and is the node's to refuse. out is as it was when overREST returns.
func (p *bridges) overREST(t restCarrier, out *outbound, resp *fasthttp.Response, binary bool, inflated inflation) error {
	b := p.acquire()
	defer p.release(b)
	if !isMessage(out) {
		if err := b.toJSON(out, inflated); errors.Is(err, errBodyMemory) {
			out.end = time.Now()
			return err
		} else if err != nil {
			return t.roundTrip(out, resp)
		}
		return b.carry(t, out, resp, b.answerFromJSON)
	}
	err := b.fromMessage(out.body, binary)
	if err != nil && !binary {
		err = b.fromMessage(out.body, true)
	}
	if err != nil {
		return refuseBridged(resp, err)
	}
	return b.carry(t, out, resp, b.answerAsMessage)
}

// restCarrier is a transport, as far as a bridge needs one.
type restCarrier interface {
	roundTrip(out *outbound, resp *fasthttp.Response) error
}

// carry sends b.body in the place of out's, and has a good answer translated.
func (b *bridge) carry(t restCarrier, out *outbound, resp *fasthttp.Response, translate func(*fasthttp.Response) error) error {
	body, headers := out.body, out.headers
	defer func() { out.body, out.headers = body, headers }()
	out.body, out.headers = b.body, b.headersFor(headers)
	if err := t.roundTrip(out, resp); err != nil {
		return err
	}
	switch status := resp.StatusCode(); {
	case status >= fasthttp.StatusBadRequest:
		return nil // errors are JSON in every form
	case status != fasthttp.StatusOK: // such as a redirect, which must not pass for an answer without tensors
		return fmt.Errorf("%w: its status is %d", errUnreadable, status)
	}
	if len(resp.Header.ContentEncoding()) > 0 {
		return fmt.Errorf("%w: it is compressed, which was not asked for", errUnreadable)
	}
	return translate(resp)
}

// fromMessage makes b.body the REST form of a message.
func (b *bridge) fromMessage(msg []byte, binary bool) error {
	var length int
	var err error
	b.body, length, err = b.RequestFromProto(b.body[:0], msg, binary, messageLimits())
	b.setLength(length)
	return err
}

// toJSON makes b.body the JSON form of a REST request with binary data.
func (b *bridge) toJSON(out *outbound, inflated inflation) error {
	body, length, err := b.plainREST(out, inflated)
	if err == nil {
		b.body, err = b.RequestToJSON(b.body[:0], body, length, messageLimits())
	}
	b.setLength(oip.NoHeaderLength)
	return err
}

func (b *bridge) setLength(n int) {
	b.length = b.length[:0]
	if n != oip.NoHeaderLength {
		b.length = strconv.AppendInt(b.length, int64(n), 10)
	}
}

// plainREST is the body of the REST request that out is, without compression, and how long its JSON is.
func (b *bridge) plainREST(out *outbound, inflated inflation) (body []byte, length int, err error) {
	if length, err = oip.ParseHeaderLength(headerOf(out.headers, headerInferLength)); err != nil {
		return nil, 0, err
	}
	body, err = inflated.inflate(&b.loan, out.body, headerOf(out.headers, fasthttp.HeaderContentEncoding))
	return body, length, err
}

// messageLimits bounds what a conversion may hold. What comes in was held against server.max_body or upstream.max_answer
// before, and takes no more when it is converted.
func messageLimits() oip.Limits {
	lim := oip.DefaultLimits()
	lim.Elements, lim.DecodedBytes = 1<<40, 1<<40
	return lim
}

// errUnreadable means that a node's answer is none to an inference.
var errUnreadable = errors.New("the node's answer cannot be read")

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

// answerAsMessage turns a REST answer into a ModelInferResponse.
func (b *bridge) answerAsMessage(resp *fasthttp.Response) error {
	length, err := oip.ParseHeaderLength(resp.Header.Peek(headerInferLength))
	if err == nil {
		b.answer, err = b.AnswerToProto(b.answer[:0], resp.Body(), length, messageLimits())
	}
	if err != nil {
		return fmt.Errorf("%w: %v", errUnreadable, err) //nolint:errorlint // a node's fault, not a refusal for the client
	}
	resp.SetBody(b.answer)
	resp.Header.SetContentType(oip.ProtoContentType)
	resp.Header.Del(headerInferLength)
	return nil
}

// answerFromJSON turns a JSON answer into the form that the client wants.
func (b *bridge) answerFromJSON(resp *fasthttp.Response) error {
	var length int
	var err error
	b.answer, length, err = b.AnswerFromJSON(b.answer[:0], resp.Body(), messageLimits())
	return b.answerREST(resp, length, err)
}

// answerREST makes b.answer the answer, if err does not keep it from being one.
func (b *bridge) answerREST(resp *fasthttp.Response, length int, err error) error {
	if e, ok := errors.AsType[*oip.Error](err); ok && e.Code != oip.Internal {
		return refuseBridged(resp, err) // such as FP16 as JSON
	}
	if err != nil {
		return fmt.Errorf("%w: %v", errUnreadable, err) //nolint:errorlint // a node's fault, not a refusal for the client
	}
	resp.SetBody(b.answer)
	resp.Header.Del(headerInferLength)
	if length == oip.NoHeaderLength {
		resp.Header.SetContentTypeBytes(typeJSON)
		return nil
	}
	resp.Header.SetContentTypeBytes(typeBinary)
	b.setLength(length)
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
