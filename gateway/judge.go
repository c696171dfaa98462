package gateway

import (
	"errors"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
)

// verdict is what the outcome of one attempt means: for the node, for the exchange, and for the record.
type verdict struct {
	node   balancer.Outcome
	retry  bool // another node may do better
	reason Reason
}

// classify judges an attempt, the only place that does. err is the transport's, nil when the node answered with
// status; late says that the exchange's deadline has passed.
//
// Inference keeps no state, so a request may be repeated whatever its method, even when a node may have started on it.
//
// 500 is retried and counts against the node. The price: a request that breaks every model it meets ("poison") costs
// one extra attempt and a mark against two nodes. The gain: a node with a broken GPU or library answers 500 quickly, and
// would otherwise look like the least loaded node of the pool and attract most of its traffic. The breaker's share of
// failures, the retry budget and failing open bound the price.
func classify(err error, status int, late bool) verdict {
	if err == nil {
		return classifyStatus(status)
	}
	switch {
	case errors.Is(err, errBusy):
		// The node has as much of our work as we allow it: that is no failure of its own.
		return verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamBusy}
	case late:
		// The time was the route's, the node had all of it.
		return verdict{node: balancer.Failure, reason: reasonUpstreamTimeout}
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		// Another node would give the same answer.
		return verdict{node: balancer.Neutral, reason: reasonUpstreamError}
	}
	// No connection, a connection that broke, or bytes that are no HTTP.
	return verdict{node: balancer.Failure, retry: true, reason: reasonUpstreamError}
}

func classifyStatus(status int) verdict {
	switch {
	case status < 200:
		// The transport consumes interim answers; 101 was not asked for.
		return verdict{node: balancer.Failure, retry: true, reason: reasonUpstreamError}
	case status < 400:
		return verdict{node: balancer.Success, reason: reasonOK}
	case status == fasthttp.StatusTooManyRequests:
		// The node is full, not broken; whoever has room may take it.
		return verdict{node: balancer.Neutral, retry: true, reason: reasonRejected}
	case status < 500:
		// The node did its work: it read the request and found it wanting.
		return verdict{node: balancer.Success, reason: reasonRejected}
	case status == fasthttp.StatusNotImplemented:
		return verdict{node: balancer.Success, reason: reasonRejected}
	}
	return verdict{node: balancer.Failure, retry: true, reason: reasonUpstreamError}
}
