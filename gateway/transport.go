package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/conf"
)

// transport carries attempts to one node. It is safe for concurrent use and starts no goroutine.
type transport interface {
	// roundTrip sends out and reads the node's answer into resp, which it overwrites. It returns by out.deadline,
	// having set out.end. A nil error means a complete answer, whatever its status; resp is of no use otherwise.
	// Neither out nor resp is touched after it returned.
	roundTrip(out *outbound, resp *fasthttp.Response) error

	// closeIdle closes connections that have been idle for too long at the given moment.
	closeIdle(now time.Time)

	// shut closes every idle connection, and every busy one as soon as its exchange is over.
	shut()

	stats() transportStats
}

// outbound is a request as a node gets to see it, the same for every attempt of an exchange.
type outbound struct {
	method   []byte
	target   []byte // path and query
	header   []byte // header lines, each ended by CRLF; without Host, which names the node
	body     []byte
	start    time.Time // of the attempt
	end      time.Time // of the attempt; set by the transport
	deadline time.Time // of the exchange

	ctx context.Context // its end breaks the attempt off; nil = only the deadline does
}

// bodiless reports whether the answer to out has no body whatever its Content-Length says.
func (out *outbound) bodiless() bool { return string(out.method) == fasthttp.MethodHead }

// transportStats counts what a transport saw.
type transportStats struct {
	busy, idle int64  // gauges: connections now
	dials      uint64 // connections made
	stale      uint64 // requests that met a closed keep-alive connection and were sent again on a fresh one
}

// errBusy means that as many exchanges with the node are in flight as upstream.max_connections allows.
var errBusy = errors.New("every connection to the node is in use")

// phase is how far an exchange with a node had come.
type phase string

const (
	connecting phase = "cannot connect to the node"
	sending    phase = "sending the request broke off"
	waiting    phase = "the node hung up before the first byte of its answer"
	silent     phase = "the node was silent until the time was up"
	receiving  phase = "the node's answer broke off"
	unfinished phase = "the node's answer was not complete when the time was up"
)

// Answers that are not passed on although nothing broke.
var (
	errAnswerTooLarge  = errors.New("answer is larger than upstream.max_answer")
	errHeadersTooLarge = fmt.Errorf("headers of the answer are larger than %s", conf.Size(connReader))
	errBareLF          = errors.New("a line of the answer's headers ends in LF without CR")
)

// transportError says in which phase what went wrong.
type transportError struct {
	phase phase
	err   error
}

// Error implements error.
func (e *transportError) Error() string { return string(e.phase) + ": " + e.err.Error() }

// Unwrap gives the cause.
func (e *transportError) Unwrap() error { return e.err }
