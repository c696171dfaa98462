package gateway

import (
	"math"
	"strconv"
	"time"

	"ganglion/balancer"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

// Reason says in one word how an exchange ended. Every exchange has exactly one; the access log and the metrics use it.
type Reason uint8

// The reasons. Those that a client notices as a failure carry their HTTP status in failures below.
const (
	reasonPanic           Reason = iota // the handler panicked: a bug in us; the zero value, since it is what is left when nothing could be set
	reasonOK                            // a node answered below 400, or the gateway itself where the call is its own
	reasonCacheHit                      // answered from memory
	reasonRejected                      // a node refused the request with a 4xx, or its own timeout ran out: the client's business, passed on
	reasonNotFound                      // no such path
	reasonBadMethod                     // a path of ours, another verb
	reasonBadRequest                    // malformed, or too slow in coming
	reasonTooLarge                      // body over server.max_body
	reasonOverload                      // the gateway has no room for the request, such as memory for its body
	reasonNoRoute                       // no route for this model
	reasonNotReady                      // the gateway's own readiness was asked for, and it is not
	reasonNoNode                        // no node of the pool is fit
	reasonSaturated                     // every fit node is at its limit, and waiting for room would have been in vain, or was
	reasonUpstreamBusy                  // every connection to the node was in use, or the model's queue was full
	reasonUpstreamError                 // no node gave a usable answer, or the last one answered 5xx
	reasonUpstreamTimeout               // the route's timeout ran out
	reasonDeadline                      // the time that the client gave the request ran out: nobody is to blame
	reasonClientGone                    // the client left before it had its answer: nobody is to blame
	reasonCount
)

// String is the word in log and metrics.
func (r Reason) String() string {
	return [reasonCount]string{
		"panic", "ok", "cache_hit", "rejected", "not_found", "bad_method", "bad_request", "too_large",
		"overload", "no_route",
		"not_ready", "no_node", "saturated", "upstream_busy", "upstream_error", "upstream_timeout",
		"deadline", "client_gone",
	}[r]
}

// failure is an answer that no node gave: all of them are made here, as {"error":"..."}.
type failure struct {
	reason     Reason
	status     int
	text       string
	allow      string        // for 405: the methods that exist
	retryAfter time.Duration // for 503: when trying again makes sense; 0 = not said
}

func failNotFound() failure {
	return failure{reason: reasonNotFound, status: 404, text: "Not Found: models are at /v2/models/NAME"}
}

func failBadMethod(call oip.Call) failure {
	return failure{reason: reasonBadMethod, status: 405, text: "Method Not Allowed: use " + call.Methods(), allow: call.Methods()}
}

// failNoRoute has the wording that clients of Triton look for.
func failNoRoute(model string) failure {
	return failure{reason: reasonNoRoute, status: 404, text: "Request for unknown model: '" + model + "' is not found"}
}

func failNotReady(why string) failure {
	return failure{reason: reasonNotReady, status: 503, text: "not ready: " + why}
}

// failSaturated names the limit that was met, and what would help. It is a 503 and not a 429: the pool has more to do than it
// can, whoever asks. Nothing else is answered as often when there is as little time for it, so that its text takes no memory.
func (x *exchange) failSaturated(full *balancer.QueueError) {
	key, why := "", ""
	switch full.Reason {
	case balancer.NoQueue:
		key, why = ".queue.max = 0", "nobody may wait for one"
	case balancer.QueueFull, balancer.Displaced:
		key, why = ".queue.max", "as many requests wait as may"
	case balancer.TooLong:
		key, why = ".queue.timeout, or its own time", "this one would have to wait for longer than it may"
	case balancer.TimedOut:
		key, why = ".queue.timeout, or its own time", "none had room within the time that a request may wait"
	}
	b := appendAll(x.scratch[:0], "every node for model '", x.call.Model, "' has as many requests as it may have (pools.", full.Pool, ".max_inflight), and ",
		why, " (pools.", full.Pool, key, "); try again in ")
	b = strconv.AppendInt(b, int64(wholeSeconds(full.RetryAfter)), 10)
	x.scratch = append(b, " s, or send less at a time"...)
	x.fail(failure{reason: reasonSaturated, status: 503, text: text(x.scratch), retryAfter: full.RetryAfter})
}

// failNoNode is for a pool that has nobody to ask, which is just as busy a time.
func (x *exchange) failNoNode(retryAfter time.Duration) {
	x.scratch = appendAll(x.scratch[:0], "no node for model '", x.call.Model, "' is available right now")
	x.fail(failure{reason: reasonNoNode, status: 503, text: text(x.scratch), retryAfter: retryAfter})
}

func appendAll(dst []byte, parts ...string) []byte {
	for _, part := range parts {
		dst = append(dst, part...)
	}
	return dst
}

// failUpstream is for attempts that ended without any answer of a node. It names no address: where the nodes are is
// none of the client's business, and the access log has it beside the request id.
func failUpstream(reason Reason, timeout, retryAfter time.Duration) failure {
	switch reason {
	case reasonUpstreamTimeout:
		return failure{reason: reason, status: 504, text: "the model did not answer within " + timeout.String()}
	case reasonUpstreamBusy:
		return failure{reason: reason, status: 503, text: "every connection to the model's nodes is in use", retryAfter: retryAfter}
	case reasonOverload:
		return failure{reason: reason, status: 503, text: "requests or answers in flight take more than server.max_body_memory or upstream.max_answer_memory; try again", retryAfter: time.Second}
	}
	return failure{reason: reasonUpstreamError, status: 502, text: "no node gave a usable answer; see the gateway's log for this X-Request-Id"}
}

// failUnanswered is for nodes that were gone before they had answered anything: not a bad answer (502) but none, which is the
// same to a client as a pool without nodes, and as worth another try. So it is answered the same in the moment in which all
// nodes die as in the next, when the gateway knows.
func failUnanswered(retryAfter time.Duration) failure {
	return failure{reason: reasonUpstreamError, status: 503, text: "no node answered; see the gateway's log for this X-Request-Id", retryAfter: retryAfter}
}

// failBadRequest is for what the gateway itself reads of a request and finds wanting.
func failBadRequest(err error) failure {
	return failure{reason: reasonBadRequest, status: 400, text: err.Error()}
}

// failDeadline is for a client that is still there to read it. 504 is DEADLINE_EXCEEDED over gRPC.
func failDeadline(own time.Duration) failure {
	return failure{reason: reasonDeadline, status: 504, text: "the model did not answer within the " + own.Round(time.Microsecond).String() + " that the request gave it"}
}

// failClientGone is for the record: nobody is there to read it. 499 is what nginx has made of a client that left.
func failClientGone() failure {
	return failure{reason: reasonClientGone, status: 499, text: "the client has left"}
}

// fail answers the exchange with f.
func (x *exchange) fail(f failure) {
	x.reason = f.reason
	httpserver.SetError(x.resp, f.status, f.text)
	h := &x.resp.Header
	h.SetBytesV(headerRequestID, x.id)
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(wholeSeconds(f.retryAfter)))
	}
}

// wholeSeconds rounds up: coming back too early is the one thing a client should not do.
func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
