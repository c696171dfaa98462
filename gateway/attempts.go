package gateway

import (
	"errors"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/hop"
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
	last := verdict{reason: reasonNoNode}
	aim := x.aim()
	x.out.patient = aim.stick // there is nobody else for it
	again := false
	for {
		lease, err := x.lease(aim, &x.met)
		if err != nil {
			if x.met.Len() == 0 || !last.mute && (!last.unsent || again) || !errors.Is(err, balancer.ErrNoNode) {
				break // nobody is left to ask
			}
			// Nobody else is there: the node that would not take it on one connection may do so on the next, and one that is
			// silent may speak again.
			x.met, again, x.out.patient = balancer.Tried{}, true, last.mute || aim.stick
			continue
		}
		var answered bool
		if h := x.hedgeFor(aim, lease.Model()); h != nil {
			last, answered = x.race(h, &lease)
		} else {
			last, answered = x.attempt(&lease, aim)
			x.takeBack(&lease, last, false)
		}
		if answered && x.settled(last) {
			return
		}
		if last.declined != nil {
			if !x.late() {
				continue
			}
			last = x.overtaken(last)
			break
		}
		if !x.mayGoOn(aim, last) {
			if !last.mute || aim.stick || x.late() {
				break
			}
			// A silent node has given it back, and no retry is left: it takes its chance with whoever is best now, and waits.
			x.met, again, x.out.patient = balancer.Tried{}, true, true
		}
		aim.willing = last.refusal == balancer.RetryAfter
	}
	x.giveUp(last.reason)
}

// mayGoOn reports whether another attempt makes sense and is allowed. What it says yes to is paid for.
func (x *exchange) mayGoOn(a aim, last verdict) bool {
	switch {
	case !last.retry || x.late():
		return false
	case last.unsent:
		return true // no node has had work of it, so that asking another one is no burden beyond the first
	case a.stick && last.refusal != balancer.NotReady:
		return false // the node may have moved the sequence on, and no other one has what came before
	}
	if last.died {
		x.deaths++
	}
	x.sent++
	pool := x.variant.pool
	return x.sent < pool.Attempts() && x.deaths < poison && pool.allowRetry()
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
func (x *exchange) attempt(lease *balancer.Lease, a aim) (v verdict, answered bool) {
	out := x.out
	if out.start = x.start; x.attempts+x.declines > 0 || x.use != cacheOff || x.queued > 0 {
		out.start = time.Now() // otherwise there is nothing but a microsecond between the two
	}
	out.deadline = x.attemptDeadline(lease.Model(), a)
	out.demands = x.condition(lease, a)
	x.note(memberOf(lease.Node()))
	v, err := x.try(lease, out, x.resp)
	x.upstream += out.end.Sub(out.start)
	switch {
	case v.beaten, v.declined != nil: // by a hedge, or as one of several: there is nothing to complain about
	case err != nil:
		x.cause = err
	case v.retry || x.resp.StatusCode() >= fasthttp.StatusInternalServerError:
		x.cause = errAnswered(x.resp)
	}
	return v, err == nil
}

// note remembers who was asked.
func (x *exchange) note(n *node) {
	if x.attempts < maxNodes {
		x.tried[x.attempts] = n
	}
	x.attempts++
}

// try sends out to the leased node, judges what comes back, and gives the lease back unless the node has declined. The answer, if err
// is nil, is in resp. It changes nothing of the exchange, so that a hedge may do the same at the same time.
func (x *exchange) try(lease *balancer.Lease, out *outbound, resp *fasthttp.Response) (v verdict, err error) {
	v = verdict{node: balancer.Neutral} // what a panic below leaves: our bug is not the node's
	defer func() {
		if v.declined == nil {
			lease.Done(v.node)
		}
	}()
	n := memberOf(lease.Node())
	out.node, out.model, out.declines = hop.Load{}, hop.Load{}, false // what another node said is not this one's word
	err = n.carry(out, lease.Model(), resp)
	if declined, ok := errors.AsType[*declinedError](err); ok {
		return declined.verdict(), err
	}
	n.metrics.duration.Observe(out.end.Sub(out.start).Seconds())
	if err == nil && answersModel(x.call.Kind) && nonsense(resp) {
		err = errNonsense
	}
	if err != nil {
		resp.Reset() // half an answer is none
	}
	lease.Node().Report(balancer.Load(out.node))
	switch {
	case out.declines:
		lease.Report(balancer.Load(out.model))
	case err == nil:
		lease.Unsaid()
	}
	v = x.judge(err, out, resp)
	if v.beaten || v.cut {
		lease.Late()
	}
	if v.reason == reasonRejected {
		lease.Untimed()
	}
	if v.refusal != 0 {
		lease.Refused(v.refusal, v.restFor(out))
	}
	if v.reason == reasonOK {
		x.know(lease.Model())
	}
	return v, err
}

// judge is classify with what the exchange knows of time: whose it was that ran out, and who broke the attempt off.
func (x *exchange) judge(err error, out *outbound, resp *fasthttp.Response) verdict {
	v := classify(err, resp, !out.end.Before(out.deadline))
	late := !out.end.Before(x.deadline)
	if err == nil && resp.StatusCode() == fasthttp.StatusGatewayTimeout && !out.end.Before(out.deadline.Add(-alarmSlack)) {
		v.reason = reasonUpstreamTimeout // the node knows when our time is over, and was first to see it
	}
	switch {
	case v.reason == reasonClientGone && out.beaten():
		v.beaten = true
	case v.reason == reasonUpstreamTimeout && out.deadline.Before(x.deadline):
		// It had its share of the time, and another node may need less.
		v.cut, v.retry = true, true
		x.variant.pool.cut.Add(1)
	case x.hurried() && (v.reason == reasonUpstreamTimeout || v.reason == reasonClientGone && late):
		v = verdict{node: balancer.Neutral, reason: reasonDeadline}
	default:
		v.died = died(err)
	}
	return v
}

// alarmSlack is how much earlier than we a node may find that our time is over: alarms ring late, on either side.
const alarmSlack = 20 * time.Millisecond

// died reports whether an attempt ended as it does when the node's process dies of it.
func died(err error) bool {
	broken, ok := errors.AsType[*transportError](err)
	return ok && !broken.unsent && (broken.phase == waiting || broken.phase == receiving || broken.phase == hopping)
}

// restFor is for how long the node rests. HTTP knows no less than a second, in which a queue that was full has long been
// empty; a node of ours says over the hop how long it takes.
func (v *verdict) restFor(out *outbound) time.Duration {
	if v.refusal == balancer.Full && out.node.Known {
		return out.model.Wait
	}
	return v.rest
}

// settled passes the node's answer on if it is one that no other node would better, and reports whether it did.
func (x *exchange) settled(v verdict) bool {
	if !v.retry {
		x.reason = v.reason
		x.cleanAnswer()
		return true
	}
	x.keep(v)
	return false
}

// keep holds on to the answer of a node that failed until a better one comes.
func (x *exchange) keep(v verdict) {
	if x.kept == nil {
		x.kept = fasthttp.AcquireResponse()
	}
	x.resp.CopyTo(x.kept)
	if v.rest > 0 && (x.comeBack == 0 || v.rest < x.comeBack) {
		x.comeBack = v.rest
	}
}

// giveUp tells the client why there is no good answer: in the words of the last node that gave any, or in our own.
func (x *exchange) giveUp(reason Reason) {
	pool := x.variant.pool
	switch {
	case reason == reasonClientGone:
		x.fail(failClientGone())
	case x.kept != nil && x.kept.StatusCode() >= fasthttp.StatusOK:
		x.kept.CopyTo(x.resp)
		x.reason = classifyAnswer(x.kept).reason
		x.cleanAnswer()
		if h := &x.resp.Header; len(h.Peek(fasthttp.HeaderRetryAfter)) > 0 && x.comeBack > 0 {
			// Of several nodes that said when to come back, one is enough.
			h.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(wholeSeconds(x.comeBack)))
		}
	case x.attempts == 0 && x.unleased != nil, errors.Is(x.unleased, balancer.ErrLeft):
		x.failUnleased()
	case reason == reasonDeadline:
		x.fail(failDeadline(x.deadline.Sub(x.start)))
	case x.deaths >= poison && x.othersLive():
		// There are nodes, and they are to be spared: who is told 503 sends it again.
		x.fail(failUpstream(reason, x.route.timeout, 0))
	case reason == reasonUpstreamError && (unanswered(x.cause) || x.deaths >= poison):
		x.fail(failUnanswered(pool.RetryAfter()))
	default:
		patience := x.route.timeout
		if !x.late() {
			patience = x.out.deadline.Sub(x.out.start) // the attempt's
		}
		x.fail(failUpstream(reason, patience, pool.RetryAfter()))
	}
}
