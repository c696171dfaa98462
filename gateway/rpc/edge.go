package rpc

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// Edge is what answers the calls: the gateway.
type Edge interface {
	// Ask answers q. It returns when there is an answer, which is always; ctx ends when nobody waits for it any more. q and
	// what it points to may be read until [Answer.Sent] has been called, which the caller does exactly once.
	Ask(ctx context.Context, q *Question) Answer

	// Refused records a call that did not become a question: its message was too large, malformed, or never came.
	Refused(q *Question, code codes.Code, why string)

	// Ready returns nil when the gateway takes requests and can serve some.
	Ready() error

	// RouteReady is Ready for one model; known is false when no route is for it.
	RouteReady(model string) (known bool, err error)
}

// Question is what a call asks, in the form that REST has for it.
type Question struct {
	FullMethod string      // "/inference.GRPCInferenceService/ModelInfer"
	Metadata   metadata.MD // read-only
	Client     net.Addr
	Start      time.Time

	Method string // GET or POST
	Path   string // "/v2/models/iris/infer"
	Body   []byte
	Proto  bool // Body is a protobuf message, and so is the answer's body below status 400
}

// Answer is what there is to say. It ends with Sent, and so does the memory of its Body.
type Answer interface {
	Status() int  // of HTTP
	Body() []byte // "" or {"error":...} from status 400 on

	// TakeBody is Body, but leaves the memory to the caller for good.
	TakeBody() []byte

	// Header is the value of the answer's header with the given name, "" when there is none.
	Header(name string) string

	// Sent says that the answer has left, or could not, and with which code the client was told so.
	Sent(code codes.Code)
}
