package gateway

import (
	"bytes"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/oip"
)

// verdict is what the outcome of one attempt means: for the node, for the exchange, and for the record.
type verdict struct {
	node   balancer.Outcome
	retry  bool // another node may do better
	reason Reason
	unsent bool // this node has not begun, and will not
	mute   bool // this node gives no sign of life, or none of this model
	died   bool // the connection broke while the node had the request, as it does when a process dies
	cut    bool // its share of the exchange's time was over
	beaten bool // its hedge was quicker

	declined *declinedError // the node has not begun, since it holds more than was believed; nil = it has not said so

	refusal balancer.Refusal // why the node would refuse others too; 0 = it would not
	rest    time.Duration    // for which it wants none of them; 0 = it does not say
}

// classify judges an attempt, the only place that does. err is the transport's, nil when resp is the node's answer;
// late says that the exchange's deadline has passed.
//
// Inference keeps no state, so a request may be repeated whatever its method, even when a node may have started on it.
//
// 500 is retried and counts against the node. The price: a request that breaks every model it meets ("poison") costs
// one extra attempt and a mark against two nodes. The gain: a node with a broken GPU or library answers 500 quickly, and
// would otherwise look like the least loaded node of the pool and attract most of its traffic. The breaker's share of
// failures, the retry budget and failing open bound the price.
func classify(err error, resp *fasthttp.Response, late bool) verdict {
	if err == nil {
		return classifyAnswer(resp)
	}
	switch {
	case errors.Is(err, errLeft):
		// Nobody is to blame, and nobody is left to be served.
		return verdict{node: balancer.Neutral, reason: reasonClientGone}
	case errors.Is(err, errBusy):
		// The node has as much of our work as we allow it: that is no failure of its own.
		return verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamBusy}
	case late, errors.Is(err, errLate):
		// The time was the route's, the node had all of it.
		return verdict{node: balancer.Faulty, reason: reasonUpstreamTimeout}
	case errors.Is(err, errAnswerTooLarge):
		// Another node would give the same answer.
		return verdict{node: balancer.Neutral, reason: reasonUpstreamError}
	case errors.Is(err, errNonsense):
		return verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}
	case errors.Is(err, errAnswerMemory), errors.Is(err, errBodyMemory):
		return verdict{node: balancer.Neutral, reason: reasonOverload}
	}
	return classifyBroken(err)
}

// classifyBroken judges no connection, a connection that broke, or bytes that are no HTTP.
func classifyBroken(err error) verdict {
	v := verdict{node: balancer.Failure, retry: true, reason: reasonUpstreamError}
	if broken, ok := errors.AsType[*transportError](err); ok {
		v.unsent, v.mute = broken.unsent, broken.phase == mute || broken.phase == stuck
		if broken.blameless {
			v.node = balancer.Neutral
		}
	}
	return v
}

func classifyAnswer(resp *fasthttp.Response) verdict {
	status := resp.StatusCode()
	if status >= fasthttp.StatusBadRequest {
		// Only our nodes say this, and only of refusals: on a good answer it would mean nothing.
		if v, ok := classifyRefusal(resp.Header.Peek(oip.RefusalName)); ok {
			v.rest = restOf(resp)
			return v
		}
	}
	v := classifyStatus(status)
	if status == fasthttp.StatusTooManyRequests || status == fasthttp.StatusServiceUnavailable {
		if v.rest = restOf(resp); v.rest > 0 {
			// It is not broken: it knows when it will be better.
			v.node, v.refusal = balancer.Neutral, balancer.RetryAfter
		}
	}
	return v
}

// classifyRefusal judges the refusal of a node that says that it is about one model or one request. Without it, a model
// that is broken on one node would open that node's circuit, and take its good models out of rotation with it.
func classifyRefusal(why []byte) (verdict, bool) {
	switch oip.Refusal(why) {
	case oip.Draining:
		return verdict{node: balancer.Neutral, retry: true, unsent: true, reason: reasonUpstreamError, refusal: balancer.Draining}, true
	case oip.NotReady:
		return verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamError, refusal: balancer.NotReady}, true
	case oip.Full:
		return verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamBusy, refusal: balancer.Full}, true
	case oip.Expired:
		// The time was the request's own, and is over for every node.
		return verdict{node: balancer.Neutral, reason: reasonRejected}, true
	}
	return verdict{}, false
}

func classifyStatus(status int) verdict {
	switch {
	case status < 200:
		// The transport consumes interim answers; 101 was not asked for.
		return verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}
	case status < 400:
		return verdict{node: balancer.Success, reason: reasonOK}
	case status == fasthttp.StatusTooManyRequests:
		// The node is full, not broken; whoever has room may take it.
		return verdict{node: balancer.Neutral, retry: true, reason: reasonRejected, refusal: balancer.Full}
	case status < 500:
		// The node did its work: it read the request and found it wanting.
		return verdict{node: balancer.Success, reason: reasonRejected}
	case status == fasthttp.StatusNotImplemented:
		return verdict{node: balancer.Success, reason: reasonRejected}
	}
	return verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}
}

// restOf is for how long the node wants to be left alone: the Retry-After of its answer in seconds, or as a date. 0 = it
// does not say.
func restOf(resp *fasthttp.Response) time.Duration {
	value := resp.Header.Peek(fasthttp.HeaderRetryAfter)
	if len(value) == 0 {
		return 0
	}
	if seconds, err := fasthttp.ParseUint(value); err == nil {
		return time.Duration(min(seconds, restMost)) * time.Second
	}
	if len(bytes.Trim(value, "0123456789")) == 0 {
		return restMost * time.Second // more seconds than a number holds
	}
	then, err := fasthttp.ParseHTTPDate(value)
	if err != nil {
		return 0
	}
	return min(max(0, time.Until(then)), restMost*time.Second)
}

// restMost is, in seconds, more than any rest that the balancer grants.
const restMost = 3600
