package oip

import (
	"slices"
	"strings"
)

// Bridge carries one exchange between two sides that speak different forms of the protocol: protobuf, REST with binary
// tensors, REST with JSON only. The request is turned into the node's form, and its answer into the one the client asked
// for. Numbers are only read or printed where one side has JSON; else tensor bytes are copied once, from message to
// message. The zero value is ready for use, again and again; it belongs to one exchange at a time.
//
// What comes out of a method is appended to its dst; after an error that is dst with something unfinished behind it. What
// goes in may be reused as soon as the method has returned.
type Bridge struct {
	request  InferRequest
	response InferResponse
	model    string
	version  string
}

// Reset drops what the last exchange left, and buffers beyond keep bytes, for a pool of bridges.
func (b *Bridge) Reset(keep int) {
	b.request.Reset(keep)
	b.response.Reset(keep)
	b.model, b.version = "", ""
}

// RequestFromProto turns a ModelInferRequest into a REST request: with binary tensors, or in JSON alone for nodes that have
// no other form. The model and version stand in the path of a REST request and thus not in its body.
func (b *Bridge) RequestFromProto(dst, msg []byte, asBinary bool, lim Limits) (body []byte, headerLen int, err error) {
	if b.model, b.version, err = b.request.DecodeProto(msg, lim); err != nil {
		return dst, NoHeaderLength, err
	}
	b.request.Parameters = slices.DeleteFunc(b.request.Parameters, reservedForGRPC)
	return b.appendRequest(dst, asBinary)
}

// reservedForGRPC reports whether a parameter has the prefix that REST servers refuse, as Triton does: its C++ client sends
// triton_enable_empty_final_response with every gRPC call.
func reservedForGRPC(p Parameter) bool { return strings.HasPrefix(p.Name, "triton_") }

// AnswerToProto turns the REST answer to such a request into a ModelInferResponse.
func (b *Bridge) AnswerToProto(dst, body []byte, headerLen int, lim Limits) ([]byte, error) {
	if err := b.response.Decode(body, headerLen, lim); err != nil {
		return dst, err
	}
	b.complete()
	dst = AppendProtoInferResponse(dst, &b.response)
	b.forget()
	return dst, nil
}

// RequestToProto turns a REST request to that model, and version or "", into a ModelInferRequest. A raw binary request
// (headerLen 0) is refused, as only the model's metadata says what it holds.
func (b *Bridge) RequestToProto(dst, body []byte, headerLen int, model, version string, lim Limits) ([]byte, error) {
	if err := b.request.Decode(body, headerLen, lim); err != nil {
		return dst, err
	}
	b.model, b.version = model, version
	dst = AppendProtoInferRequest(dst, model, version, &b.request)
	b.release()
	return dst, nil
}

// AnswerFromProto turns the answer to such a request into a REST answer in the form that the request asked for.
func (b *Bridge) AnswerFromProto(dst, msg []byte, lim Limits) (body []byte, headerLen int, err error) {
	if err := b.response.DecodeProto(msg, lim); err != nil {
		return dst, NoHeaderLength, err
	}
	return b.appendAnswer(dst)
}

// RequestToJSON turns a REST request of any form into one in JSON alone, for nodes that know no binary tensors. The
// datatypes that JSON has no form for are refused.
func (b *Bridge) RequestToJSON(dst, body []byte, headerLen int, lim Limits) ([]byte, error) {
	if err := b.request.Decode(body, headerLen, lim); err != nil {
		return dst, err
	}
	dst, _, err := b.appendRequest(dst, false)
	return dst, err
}

// AnswerFromJSON turns the answer to such a request into the form that the request asked for.
func (b *Bridge) AnswerFromJSON(dst, body []byte, lim Limits) (answer []byte, headerLen int, err error) {
	if err := b.response.Decode(body, NoHeaderLength, lim); err != nil {
		return dst, NoHeaderLength, err
	}
	return b.appendAnswer(dst)
}

// Model returns the model and version that the request names, which is what RequestFromProto found.
func (b *Bridge) Model() (name, version string) { return b.model, b.version }

// appendRequest writes the request for a REST node, and keeps for the answer what the client asked for.
func (b *Bridge) appendRequest(dst []byte, asBinary bool) (body []byte, headerLen int, err error) {
	r := b.request // outputs are changed below, and the client's wishes must survive that
	r.BinaryInputs, r.BinaryDefault = asBinary, asBinary
	r.Outputs = make([]RequestedOutput, len(b.request.Outputs))
	for i, o := range b.request.Outputs {
		o.Binary = asBinary
		r.Outputs[i] = o
	}
	body, headerLen, err = AppendInferRequest(dst, &r)
	b.release()
	return body, headerLen, err
}

// appendAnswer writes the answer for a REST client.
func (b *Bridge) appendAnswer(dst []byte) (body []byte, headerLen int, err error) {
	b.complete()
	for i := range b.response.Outputs {
		o := &b.response.Outputs[i]
		o.Binary = b.request.WantsBinary(o.Name)
	}
	body, headerLen, err = AppendInferResponse(dst, &b.response)
	b.forget()
	return body, headerLen, err
}

// complete fills in what a node left out of its answer and every client may look for.
func (b *Bridge) complete() {
	if b.response.ID == "" {
		b.response.ID = b.request.ID
	}
	if b.response.ModelName == "" {
		b.response.ModelName = b.model
	}
}

// release drops the request's tensors, which alias a body that is the caller's.
func (b *Bridge) release() { clear(b.request.Inputs) }

// forget does the same for the answer's.
func (b *Bridge) forget() { clear(b.response.Outputs) }
