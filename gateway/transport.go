package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/conf"
	"ganglion/internal/hop"
)

// transport carries attempts to one node. It is safe for concurrent use.
type transport interface {
	// roundTrip sends out and reads the node's answer into resp, which it overwrites. It returns by out.deadline, or soon
	// after out.breakOff, having set out.end. A nil error means a complete answer, whatever its status; resp is of no use
	// otherwise. Neither out nor resp is touched after it returned.
	roundTrip(out *outbound, resp *fasthttp.Response) error

	// run keeps what the transport needs beside its exchanges until ctx ends, and then closes every idle connection, and
	// every busy one as soon as its exchange is over.
	run(ctx context.Context) error

	stats() transportStats
}

// outbound is a request as a node gets to see it, the same for every attempt of an exchange. It is reused with its
// buffers, and belongs to whoever made it; only breakOff may be called from elsewhere.
type outbound struct {
	method   []byte
	target   []byte       // path and query
	headers  []hop.Header // end to end, without those that frame the body and without Host, which names the node
	body     []byte
	start    time.Time // of the attempt
	deadline time.Time // of the exchange
	patient  bool      // it stays with a node that gives no sign of life
	demands  condition // of the attempt: a node for which it is not true may decline

	// Set by the transport.
	end         time.Time // of the attempt
	node, model hop.Load  // what the node said of itself with its answer
	declines    bool      // the node takes conditions

	answer held // memory of the answer that is larger than what connections keep

	mu       sync.Mutex
	left     bool  // nobody waits for the answer
	lost     bool  // its rival has one
	recalled bool  // it goes elsewhere
	conn     *conn // the HTTP/1.1 connection that carries it now

	cancel context.CancelFunc // of the gRPC call that carries it now, or of the connection that is being made for it
	rival  *outbound          // the same request on its way to another node; see hedge

	wait wait // its place in waits

	exchange hop.Exchange // what carries it over a hop
}

// bodiless reports whether the answer to out has no body whatever its Content-Length says.
func (out *outbound) bodiless() bool { return string(out.method) == fasthttp.MethodHead }

// breakOff makes the attempt that runs, and all that would follow it, end with errLeft. Any goroutine may call it, until
// reset.
func (out *outbound) breakOff() {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.left = true
	out.halt()
	if out.rival != nil {
		out.rival.breakOff()
	}
}

// halt stops whatever carries out. The caller holds out.mu.
func (out *outbound) halt() {
	out.exchange.Cancel()
	if out.conn != nil {
		out.conn.SetDeadline(longAgo)
	}
	if out.cancel != nil {
		out.cancel()
	}
}

// boardCall is board for a call of gRPC, or for a connection that is being made, which cancel ends.
func (out *outbound) boardCall(cancel context.CancelFunc) bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.cancel = cancel
	return !out.over()
}

// board notes that c carries out now, so that breakOff finds it; false = nobody waits any more.
func (out *outbound) board(c *conn) bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.conn = c
	return !out.over()
}

// over reports whether the attempt that runs is not wanted any more. The caller holds out.mu.
func (out *outbound) over() bool { return out.left || out.lost || out.recalled }

// alight ends what board began, and reports whether out was broken off.
func (out *outbound) alight() (left bool) {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.conn, out.cancel = nil, nil
	return out.over()
}

// reset readies out for another request. It gives back the memory of the answer, which nobody reads any more.
func (out *outbound) reset() {
	out.answer.release()
	out.exchange.Reset()
	headers := out.headers
	if cap(headers) > keepHeaders {
		headers = nil
	}
	clear(headers)
	out.method, out.target, out.headers, out.body = nil, nil, headers[:0], nil
	out.start, out.end, out.deadline = time.Time{}, time.Time{}, time.Time{}
	out.node, out.model, out.declines = hop.Load{}, hop.Load{}, false
	out.left, out.lost, out.recalled, out.patient = false, false, false, false
	out.demands = condition{}
	out.wait = wait{}
}

// keepHeaders bounds the list that is kept from one request to the next: browsers and proxies come to twenty.
const keepHeaders = 64

// transportStats counts what a transport saw.
type transportStats struct {
	name       string // how requests reach the node now
	busy, idle int64  // gauges: HTTP/1.1 connections now
	dials      uint64 // connections made, of any kind
	stale      uint64 // requests that met a closed keep-alive connection and were sent again on a fresh one
	hops       int64  // gauge: hop connections that take exchanges
	streams    int64  // gauge: exchanges on them
}

// errBusy means that as many exchanges with the node are in flight as upstream.max_connections, or the node, allows.
var errBusy = errors.New("the node has as many requests as it may have")

// errLeft means that nobody waits for the answer.
var errLeft = errors.New("the client has left")

// errLate means that the node gave up because the exchange's time was up.
var errLate = errors.New("the time was up at the node")

// phase is how far an exchange with a node had come.
type phase string

const (
	connecting phase = "cannot connect to the node"
	sending    phase = "sending the request broke off"
	waiting    phase = "the node hung up before the first byte of its answer"
	silent     phase = "the node was silent until the time was up"
	receiving  phase = "the node's answer broke off"
	unfinished phase = "the node's answer was not complete when the time was up"
	draining   phase = "the node takes no new requests on this connection"
	hopping    phase = "the connection to the node broke"
	mute       phase = "the node gives no sign of life"
	stuck      phase = "the node lives, but answers nothing for this model"
)

// Answers that are not passed on although nothing broke.
var (
	errAnswerTooLarge  = errors.New("answer is larger than upstream.max_answer")
	errAnswerMemory    = errors.New("answers in flight take more than upstream.max_answer_memory")
	errHeadersTooLarge = fmt.Errorf("headers of the answer are larger than %s", conf.Size(connReader))
	errBareLF          = errors.New("a line of the answer's headers ends in LF without CR")
	errBadStatus       = errors.New("the answer's status begins with 0")
)

// errUnasked means that a kept connection was of no use before anything was sent on it.
var errUnasked = errors.New("the node has hung up, or sent what nobody asked for")

// transportError says in which phase what went wrong.
type transportError struct {
	phase phase
	err   error

	unsent    bool // the node has not begun on the request, and will not: asking another one is no second attempt
	blameless bool // the node has been blamed for it already, or is not to blame
}

// unanswered reports whether err is that of a node which was gone before it had begun to answer.
func unanswered(err error) bool {
	broken, ok := errors.AsType[*transportError](err)
	if !ok {
		return false
	}
	switch broken.phase {
	case connecting, sending, waiting, hopping, draining, mute, stuck:
		return true
	}
	return false
}

// Error implements error.
func (e *transportError) Error() string { return string(e.phase) + ": " + e.err.Error() }

// Unwrap gives the cause.
func (e *transportError) Unwrap() error { return e.err }
