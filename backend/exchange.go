package backend

import (
	"bytes"
	"time"

	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// exchange is one REST request with its answer, whatever carries the two, and the memory for both, reused for later ones. An
// adapter begins it, has Server.answer fill in the answer, and carries that back.
type exchange struct {
	question
	reply
	inference
	request  oip.InferRequest
	response oip.InferResponse
	patience *patience // while anybody watches the client
	inflated []byte    // the request's body, when it came compressed
}

// question is what a request asks. Its slices are the adapter's, and dead when the exchange is over.
type question struct {
	method hop.Method // 0 for those that no call has
	path   string     // as in the request line, without the query
	call   oip.Call   // what the path means; CallNone when nothing
	body   []byte
	most   uint8         // its condition; see hop.Request.Most
	within time.Duration // or this one; see hop.Request.Within
	fields
}

// fields are the headers of a request that mean something here.
type fields struct {
	bodyType        []byte
	contentEncoding []byte
	acceptEncoding  []byte
	lengthText      []byte // of Inference-Header-Content-Length
	lengths         int    // how many of those there are
	jsonLength      int    // the same, from where it is no text; oip.NoHeaderLength otherwise
	wantsTiming     bool
	wantsLoad       bool
	timeout         []byte // how long the client waits; see oip.TimeoutName
}

// reply is the answer to a request.
type reply struct {
	status       int
	contentType  string
	headerLength int // oip.NoHeaderLength where there is none
	headers      []header
	answer       []byte // the body, in memory that the adapter has lent or in its own
	node, model  hop.Load
	owed         int64 // bytes of the answer that are accounted for until it has been sent
	declined     bool  // the condition does not hold: there is no answer
}

// header is one header of an answer besides those that have a place of their own.
type header struct{ name, value string }

// The content types of answers.
const (
	typeJSON   = "application/json"
	typeBinary = "application/octet-stream"
)

// begin takes up a request. memory is lent for the answer's body.
func (x *exchange) begin(method hop.Method, path []byte, prefix string, body, memory []byte) {
	x.method, x.body, x.most, x.within = method, body, 0, 0
	x.fields = fields{jsonLength: oip.NoHeaderLength}
	x.reply = reply{headerLength: oip.NoHeaderLength, headers: x.headers[:0], answer: memory[:0]}
	if string(path) == x.path {
		return // requests to a node have few different ones: most need no string of their own
	}
	x.path = string(path)
	rest, within := oip.CutPathPrefix(x.path, prefix)
	if !within {
		rest = x.path
	}
	x.call, _ = oip.ParsePath(rest)
}

// field takes note of a header.
func (x *exchange) field(name, value []byte) {
	switch len(name) {
	case len("Content-Type"):
		if bytes.EqualFold(name, []byte("Content-Type")) {
			x.bodyType = value
		}
	case len("Accept-Encoding"): // as long as X-Ganglion-Load
		switch {
		case bytes.EqualFold(name, []byte("Accept-Encoding")):
			x.acceptEncoding = value
		case bytes.EqualFold(name, []byte(loadName)):
			x.wantsLoad = x.wantsLoad || string(value) == "1"
		}
	case len("Content-Encoding"):
		if bytes.EqualFold(name, []byte("Content-Encoding")) {
			x.contentEncoding = value
		}
	case len(timingName):
		if bytes.EqualFold(name, []byte(timingName)) {
			x.wantsTiming = string(value) == "1"
		}
	case len(oip.TimeoutName):
		if bytes.EqualFold(name, []byte(oip.TimeoutName)) {
			x.timeout = value
		}
	case len(loadFormatName):
		if bytes.EqualFold(name, []byte(loadFormatName)) {
			x.wantsLoad = x.wantsLoad || bytes.EqualFold(value, []byte("text"))
		}
	case len(oip.HeaderLengthName):
		if bytes.EqualFold(name, []byte(oip.HeaderLengthName)) {
			x.lengthText = value
			x.lengths++
		}
	}
}

// set adds a header to the answer.
func (r *reply) set(name, value string) { r.headers = append(r.headers, header{name, value}) }

// end lets go of what is not the exchange's, and of buffers too large to keep.
func (x *exchange) end() {
	x.body, x.fields = nil, fields{}
	x.answer = nil
	clear(x.headers[:cap(x.headers)])
	x.request.Reset(keepBytes)
	x.response.Reset(keepBytes)
	if cap(x.inflated) > keepBytes {
		x.inflated = nil
	}
	if len(x.path) > longestPath {
		x.path, x.call = "", oip.Call{}
	}
}

// longestPath is what an exchange remembers of paths: none of ours is longer.
const longestPath = 512
