package gateway

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/hop"
)

// hopLine is one hop connection to a node.
type hopLine struct {
	conn    *hop.Conn
	peer    peer
	answers hop.Budget
	log     *slog.Logger
	blamed  atomic.Bool // the node has been blamed for the end of this connection

	suspected atomic.Bool        // nothing is heard of the node
	accused   atomic.Bool        // the node has been blamed for that
	replaced  atomic.Bool        // there is another connection, on which the node has spoken
	doubts    chan struct{}      // holds one token once it is suspected
	leave     context.CancelFunc // lets what is open finish and ends the connection
}

// newHopLine takes over a connection that has been opened. Nobody runs it yet.
func newHopLine(conn *hop.Conn, p peer, answers hop.Budget, log *slog.Logger) *hopLine {
	l := &hopLine{conn: conn, peer: p, answers: answers, log: log, doubts: make(chan struct{}, 1), leave: func() {}}
	conn.Observe(hop.Observer{Suspect: l.suspect, Trust: l.trust, Load: l.told, Goaway: l.goaway})
	return l
}

// suspect hears, again and again, that the node gives no sign of life. What waits for it goes elsewhere if there is anybody.
func (l *hopLine) suspect(silent time.Duration) (release bool) {
	if !l.suspected.Swap(true) {
		l.log.Warn("node gives no sign of life", "silent", silent.Round(time.Millisecond), "waiting", l.conn.Stats().Open)
		l.peer.Suspect()
		signal(l.doubts)
	}
	if l.replaced.Load() {
		l.conn.Close() // the node lives, and what waits here does so for nothing
	}
	return l.peer.Spared()
}

// trust hears that it has spoken.
func (l *hopLine) trust(silent time.Duration) {
	l.log.Info("node speaks again", "silent", silent.Round(time.Millisecond))
	l.suspected.Store(false)
	l.accused.Store(false)
	l.peer.Trust()
}

// told hears a load that came without an answer.
func (l *hopLine) told(load hop.Load, own uint32) { l.peer.Hear(balancer.Load(load), int64(own)) }

// goaway hears that the node is about to leave: what it has is finished, and it gets nothing more.
func (l *hopLine) goaway(string) { l.peer.Goaway() }

// run serves the connection until it ends.
func (l *hopLine) run(ctx context.Context) {
	if err := l.conn.Run(ctx); err != nil && ctx.Err() == nil {
		l.log.Warn("hop connection ended", "error", err)
	}
}

// over reports whether the line takes no more exchanges.
func (l *hopLine) over() bool {
	select {
	case <-l.conn.Retired():
		return true
	default:
		return false
	}
}

// roundTrip is transport's, but for carried: false means that the hop cannot carry this request, of which nothing has been sent.
func (l *hopLine) roundTrip(out *outbound, resp *fasthttp.Response) (carried bool, err error) {
	x := &out.exchange
	if !address(&x.Request, out) {
		return false, nil
	}
	out.answer.release()
	// The answer comes to the memory that the client's connection keeps for it, if it fits.
	memory := resp.SwapBody(nil)
	if x.Response.Body = nil; cap(memory) <= keepScratch { // a large answer is never in memory that others own too
		x.Response.Body = memory[:0]
	}
	x.Patient, x.Request.Most, x.Request.Within = out.patient, out.demands.most, out.demands.within
	err = l.conn.Do(x)
	out.end = time.Now()
	body := x.Response.Body
	x.Response.Body = nil
	if err != nil {
		resp.SwapBody(memory)
		return l.failed(err)
	}
	resp.Header.Reset()
	l.readHead(&x.Response, &resp.Header)
	out.node, out.model, out.declines = x.Response.Node, x.Response.Model, l.conn.Conditions()
	if len(body) <= keepScratch {
		resp.SwapBody(body)
		return true, nil
	}
	resp.SwapBody(memory)
	resp.SetBodyRaw(body)
	return true, l.hold(out, body)
}

// hold counts a large answer for as long as the exchange has it; the connection has counted it until it was complete.
func (l *hopLine) hold(out *outbound, body []byte) error {
	if !out.answer.grow(l.answers, int64(len(body))) {
		return errAnswerMemory
	}
	out.answer.body = body
	return nil
}

// address makes the hop's request of out; false = it has no place in one.
func address(r *hop.Request, out *outbound) bool {
	r.Reset()
	var ok bool
	if r.Method, ok = hop.ParseMethod(out.method); !ok {
		return false
	}
	r.Path, r.Body, r.Deadline = out.target, out.body, out.deadline
	r.InferenceHeaderLength = hop.NoHeaderLength
	for _, h := range out.headers {
		switch string(h.Name) {
		case fasthttp.HeaderContentType:
			r.ContentType = h.Value
		case headerRequestID:
			r.RequestID = h.Value
		case headerInferLength:
			if r.InferenceHeaderLength != hop.NoHeaderLength {
				return false // twice: let the node say what it thinks of that
			}
			if r.InferenceHeaderLength, ok = atoi(h.Value); !ok {
				return false
			}
		case headerTraceparent:
			r.Trace, _ = hop.ParseTraceparent(h.Value)
		case headerTracestate:
			r.TraceState = h.Value
		default:
			r.Headers = append(r.Headers, h)
		}
	}
	return true
}

// readHead makes an HTTP header of the hop's.
func (l *hopLine) readHead(r *hop.Response, h *fasthttp.ResponseHeader) {
	h.SetStatusCode(r.Status)
	h.SetContentTypeBytes(r.ContentType)
	for _, f := range r.Headers {
		h.AddBytesKV(f.Name, f.Value)
	}
	if r.InferenceHeaderLength >= 0 {
		var digits [20]byte
		h.SetBytesV(headerInferLength, strconv.AppendInt(digits[:0], int64(r.InferenceHeaderLength), 10))
	}
}

// failed says in the transport's words why there is no answer.
func (l *hopLine) failed(err error) (carried bool, _ error) {
	e, ok := errors.AsType[*hop.Error](err)
	if !ok {
		return true, err // Do returns no other type
	}
	switch e.Code {
	case hop.CodeCanceled:
		return true, errLeft
	case hop.CodeDeadline:
		return true, errLate
	case hop.CodeBusy, hop.CodeRefused:
		return true, errBusy
	case hop.CodeDeclined:
		return true, &declinedError{balancer.Load(e.Load), int64(e.Own)}
	case hop.CodeNoMemory:
		return true, errAnswerMemory
	case hop.CodeSuspect:
		// One blame for each time that it falls silent, as for the end of a connection.
		return true, &transportError{phase: mute, err: e, unsent: !e.Begun, blameless: l.accused.Swap(true)}
	case hop.CodeDraining:
		return true, &transportError{phase: draining, err: e, unsent: true, blameless: true}
	case hop.CodeTooLarge, hop.CodeInvalid:
		if !e.Begun {
			return false, nil
		}
		return true, errAnswerTooLarge
	case hop.CodeBroken:
		if l.replaced.Load() {
			return true, &transportError{phase: mute, err: e, unsent: !e.Begun, blameless: l.accused.Swap(true)}
		}
		// The end of one connection is one failure, however many exchanges it carried: else a single cut would open the
		// circuit of a node that is well.
		return true, &transportError{phase: hopping, err: e, unsent: !e.Begun, blameless: l.blamed.Swap(true)}
	}
	return true, &transportError{phase: hopping, err: e, unsent: !e.Begun}
}
