package gateway

import (
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
)

// prepare makes what a node will get to see, the same for every attempt.
func (x *exchange) prepare() {
	x.target = appendTarget(x.target[:0], x.call, x.variant.versionFor(x.call), x.query)
	x.nameJSON()
	out := x.out
	out.method, out.target, out.body = x.req.Header.Method(), x.target, x.req.Body()
	if text(out.method) == methodQuery {
		out.method = methodPost // what it means here, and what every node knows
	}
	out.headers = x.appendHeaders(out.headers[:0])
	out.deadline = x.deadline // one for all attempts: a retry has what the first left
}

// nameJSON calls a body JSON that its client has not called anything, or what curl and Python call every body, a form. Most
// servers do not look; MLServer refuses all but JSON.
func (x *exchange) nameJSON() {
	h := &x.req.Header
	if !answersModel(x.call.Kind) || len(peek(h, headerInferLength)) > 0 {
		return
	}
	switch string(h.ContentType()) {
	case "", "application/x-www-form-urlencoded":
		h.SetContentTypeBytes(typeJSON)
	}
}

// forward asks nodes until one gives an answer worth passing on, or no further attempt makes sense.
func (x *exchange) forward() {
	pool := x.variant.pool
	last := verdict{reason: reasonNoNode}
	aim := x.aim()
	var tried balancer.Tried
	sent, again := 0, false
	for {
		lease, err := x.lease(aim, &tried)
		if err != nil {
			if tried.Len() == 0 || !last.mute && (!last.unsent || again) || !errors.Is(err, balancer.ErrNoNode) {
				break // nobody is left to ask
			}
			// Nobody else is there: the node that would not take it on one connection may do so on the next, and one that is
			// silent may speak again.
			tried, again, x.out.patient = balancer.Tried{}, true, last.mute
			continue
		}
		var answered bool
		last, answered = x.attempt(&lease)
		if answered && x.settled(last) {
			return
		}
		if !last.retry || x.late() {
			break
		}
		if last.unsent {
			continue // no node has had work of it, so that asking another one is no burden beyond the first
		}
		if sent++; sent >= pool.Attempts() || !pool.allowRetry() {
			if !last.mute {
				break
			}
			// A silent node has given it back, and no retry is left: it takes its chance with whoever is best now, and waits.
			tried, again, x.out.patient = balancer.Tried{}, true, true
		}
	}
	x.giveUp(last.reason)
}

// allowRetry takes a retry from the pool's budget, and counts.
func (up *upstream) allowRetry() bool {
	if !up.Retry() {
		up.retries.denied.Add(1)
		return false
	}
	up.retries.made.Add(1)
	return true
}

// attempt sends the request to the leased node and judges what comes back. The answer, if there was one, is in the
// client's response.
func (x *exchange) attempt(lease *balancer.Lease) (v verdict, answered bool) {
	v = verdict{node: balancer.Neutral} // what a panic below leaves: our bug is not the node's
	defer func() { lease.Done(v.node) }()
	n := memberOf(lease.Node())
	if x.attempts < maxNodes {
		x.tried[x.attempts] = n
	}
	x.attempts++

	if x.out.start = x.start; x.attempts > 1 || x.use != cacheOff {
		x.out.start = time.Now() // otherwise there is nothing but a microsecond between the two
	}
	resp := x.resp
	err := n.transport.roundTrip(x.out, resp)
	took := x.out.end.Sub(x.out.start)
	x.upstream += took
	n.metrics.duration.Observe(took.Seconds())

	if err == nil && answersModel(x.call.Kind) && nonsense(resp) {
		err = errNonsense
	}
	if err != nil {
		resp.Reset() // half an answer is none
	}
	lease.Node().Report(balancer.Load(x.out.node))
	v = classify(err, resp, x.late())
	if x.hurried() && (v.reason == reasonUpstreamTimeout || (v.reason == reasonClientGone && x.late())) {
		v = verdict{node: balancer.Neutral, reason: reasonDeadline}
	}
	if v.reason == reasonRejected {
		lease.Untimed()
	}
	if v.refusal != 0 {
		lease.Refused(v.refusal, v.rest)
	}
	if v.reason == reasonOK {
		x.know(lease.Model())
	}
	switch {
	case err != nil:
		x.cause = err
	case v.retry || resp.StatusCode() >= fasthttp.StatusInternalServerError:
		x.cause = errAnswered(resp)
	}
	return v, err == nil
}

// settled passes the node's answer on if it is one that no other node would better, and reports whether it did.
func (x *exchange) settled(v verdict) bool {
	if !v.retry {
		x.reason = v.reason
		x.cleanAnswer()
		return true
	}
	// The answer of a node that failed: kept until a better one comes.
	if x.kept == nil {
		x.kept = fasthttp.AcquireResponse()
	}
	x.resp.CopyTo(x.kept)
	return false
}

// giveUp tells the client why there is no good answer: in the words of the last node that gave any, or in our own.
func (x *exchange) giveUp(reason Reason) {
	pool := x.variant.pool
	switch {
	case x.kept != nil && x.kept.StatusCode() >= fasthttp.StatusOK:
		x.kept.CopyTo(x.resp)
		x.reason = classifyAnswer(x.kept).reason
		x.cleanAnswer()
	case x.attempts == 0, errors.Is(x.unleased, balancer.ErrLeft):
		x.failUnleased()
	case reason == reasonClientGone:
		x.fail(failClientGone())
	case reason == reasonDeadline:
		x.fail(failDeadline(x.deadline.Sub(x.start)))
	case reason == reasonUpstreamError && unanswered(x.cause):
		x.fail(failUnanswered(pool.RetryAfter()))
	default:
		x.fail(failUpstream(reason, x.route.timeout, pool.RetryAfter()))
	}
}
