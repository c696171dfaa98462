package oip

import "fmt"

// RefusalName is the response header in which a node says that a refusal of its own is about one model or one request.
// Whoever spreads requests over nodes then knows that the node is well, which the status alone does not tell. It is
// written as fasthttp and net/http bring names into form.
const RefusalName = "X-Ganglion-Refusal"

// Refusal is a value of that header.
type Refusal string

// The refusals. All have status 503.
const (
	NotReady Refusal = "model_not_ready" // the model: another node may have it
	Full     Refusal = "queue_full"      // no room for the request: another node may have some
	Expired  Refusal = "timeout"         // the time that the request gave itself is over, wherever it goes
	Draining Refusal = "draining"        // the node is being stopped: another one may take the request
)

// Refusef makes an Error that the node is not to be blamed for. Like Errorf, it does not wrap.
func Refusef(why Refusal, format string, args ...any) *Error {
	return &Error{Code: Unavailable, Msg: fmt.Sprintf(format, args...), Refusal: why}
}
