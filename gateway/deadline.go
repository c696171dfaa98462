package gateway

import (
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/oip"
)

// The time of an exchange is the least of four: the route's timeout, the "timeout" parameter of the request, its header
// X-Request-Timeout-Ms, and the deadline of the gRPC call that it came by. It begins with the request's last byte and holds
// for everything that happens to the request: waiting, all attempts, the hedge. Nodes are told what is left of it.

// setDeadline works the deadline out, or refuses a request that says what is no time, and then reports false.
func (x *exchange) setDeadline() bool {
	asked, err := x.patience()
	if err != nil {
		x.fail(failBadRequest(err))
		return false
	}
	if asked > 0 && asked < x.route.timeout {
		x.own(x.start.Add(asked))
	}
	x.deadline = x.start.Add(x.route.timeout)
	if !x.limit.IsZero() && x.limit.Before(x.deadline) {
		x.deadline = x.limit
	}
	return true
}

// own notes a deadline of the client's. The earliest counts.
func (x *exchange) own(limit time.Time) {
	if x.limit.IsZero() || limit.Before(x.limit) {
		x.limit = limit
	}
}

// patience is how long the request itself says that its client waits; 0 = it says nothing.
func (x *exchange) patience() (time.Duration, error) {
	d, err := headerPatience(&x.req.Header)
	if err != nil {
		return 0, err
	}
	micros, found, err := x.wholeParameter("timeout")
	if err != nil || !found || micros == 0 { // 0 is Triton's word for no timeout
		return d, err
	}
	if longest := uint64(x.route.timeout / time.Microsecond); micros > longest {
		return d, nil // the route's is shorter
	}
	if p := time.Duration(micros) * time.Microsecond; d == 0 || p < d {
		d = p
	}
	return d, nil
}

// headerPatience is what the head of a request says of it.
func headerPatience(h *fasthttp.RequestHeader) (time.Duration, error) {
	value := peek(h, oip.TimeoutName)
	if value == nil {
		return 0, nil
	}
	if len(h.PeekAll(oip.TimeoutName)) > 1 {
		return 0, errTwoTimeouts
	}
	return oip.ParseTimeout(value)
}

var errTwoTimeouts = errors.New(oip.TimeoutName + " comes twice")

// attemptDeadline is when the next attempt, which is about to begin, has to be over. It has all of the exchange's time unless
// retry.attempt_timeout leaves it a share, and unless no other attempt could follow: then breaking it off would only make an
// answer that is late into none.
func (x *exchange) attemptDeadline(m *balancer.Model, a aim) time.Time {
	pool := x.variant.pool
	most := pool.AttemptTimeout()
	if most == 0 || a.stick || x.sent+1 >= pool.Attempts() {
		return x.deadline
	}
	if limit := x.out.start.Add(most); limit.Before(x.deadline) && pool.MayRetry() && m.Another(&x.met) {
		return limit
	}
	return x.deadline
}

// late reports whether the last attempt used up the exchange's time.
func (x *exchange) late() bool { return !x.out.end.Before(x.deadline) }

// hurried reports whether the exchange's time is the client's own and not the route's: it may have been too short for any
// node, so that its end is nobody's fault.
func (x *exchange) hurried() bool { return x.deadline.Equal(x.limit) }
