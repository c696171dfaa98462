package hop

import "time"

// NoHeaderLength says that a message has no Inference-Header-Content-Length.
const NoHeaderLength = -1

// Header is one header field besides those that have a place of their own.
type Header struct{ Name, Value []byte }

// Request is what goes to the node. All byte slices belong to whoever filled them in: on the client's side they must not
// change until Do has returned, on the server's side they die with the handler's return.
type Request struct {
	Method                Method
	Path                  []byte // with the query; begins with a slash
	ContentType           []byte // at most 255 bytes
	InferenceHeaderLength int    // bytes of JSON before the binary tensors, NoHeaderLength when absent
	RequestID             []byte // at most 255 bytes
	Trace                 Trace
	TraceState            []byte    // the tracestate header as it came
	Headers               []Header  // at most 32 more
	Deadline              time.Time // by the local clock; zero is none. It travels as time that is left
	// Most is the request's condition: the node may decline it if it holds more requests than that, this one included; see
	// [Load.Held]. 0 = none: the node takes it whatever it holds. More than 127 is as good as none. It reaches only nodes that take
	// conditions, [Conn.Conditions].
	Most uint8
	// Within is another condition, which goes before Most: the node may decline the request if it would wait longer than that, by the
	// node's estimate, for its run to begin. 0 = none. It travels with a fifth more at most.
	Within time.Duration
	Body   []byte
}

// Reset empties r for the next use and keeps the memory of Headers. Body and the other slices are let go.
func (r *Request) Reset() {
	*r = Request{InferenceHeaderLength: NoHeaderLength, Headers: r.Headers[:0]}
}

// Response is what comes back. On the client's side Body is appended to the memory that the caller left there, and the
// other slices live until the exchange's next Do or Reset; on the server's side the handler fills it in, and may append to Body[:0].
type Response struct {
	Status                int
	ContentType           []byte // at most 255 bytes
	InferenceHeaderLength int    // NoHeaderLength when absent
	Headers               []Header
	Node                  Load // the whole node's
	Model                 Load // that of the model that answered
	Body                  []byte
	// Declined, on the server's side, is the handler's word that it has not begun and will not, because the request's condition
	// does not hold. Node is then what it holds without this one. A request without a condition must not be declined.
	Declined bool
	// Sent, on the server's side, is called when nobody reads Body any more: it has been sent, or never will be. nil is nobody
	// who wants to know.
	Sent func()
}

// Reset empties r for the next use and keeps the memory of Headers and Body.
func (r *Response) Reset() {
	*r = Response{InferenceHeaderLength: NoHeaderLength, Headers: r.Headers[:0], Body: r.Body[:0]}
}

// Method is an HTTP method as the hop numbers them.
type Method uint8

// The methods that the hop carries, by their numbers on the wire.
const (
	MethodGet     Method = 1
	MethodHead    Method = 2
	MethodPost    Method = 3
	MethodPut     Method = 4
	MethodDelete  Method = 5
	MethodPatch   Method = 6
	MethodOptions Method = 7
	MethodQuery   Method = 8 // a safe method with a body, which inference is
)

var methodNames = [...]string{
	MethodGet: "GET", MethodHead: "HEAD", MethodPost: "POST", MethodPut: "PUT", MethodDelete: "DELETE",
	MethodPatch: "PATCH", MethodOptions: "OPTIONS", MethodQuery: "QUERY",
}

// ParseMethod finds the number of an HTTP method; ok is false for those the hop does not carry.
func ParseMethod(name []byte) (m Method, ok bool) {
	for i := MethodGet; int(i) < len(methodNames); i++ {
		if string(name) == methodNames[i] {
			return i, true
		}
	}
	return 0, false
}

// String returns the method as HTTP spells it.
func (m Method) String() string {
	if m.known() {
		return methodNames[m]
	}
	return "unknown method"
}

func (m Method) known() bool { return m > 0 && int(m) < len(methodNames) }
