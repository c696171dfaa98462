package gateway

import (
	"fmt"
	"math"
	"time"

	"ganglion/balancer"
)

// An attempt over the hop may be conditional: a node that holds more requests than the gateway believes, and could not begin it at once,
// or that would let it wait longer, declines it and says what it holds (see Conditions in docs/hop.md, and balancer/conditional.go). That is no
// failure, no retry and no attempt: with its books corrected the gateway chooses again. After a few such rounds, at once if
// anything else is the matter, it sends without a condition, and is served like everybody.

// conditionalMost is the largest body that is sent with a condition. It may go out several times, so it should cost little beside
// the exchange: one chunk of the hop takes some 20 µs at either end and 100 µs on a link of 10 Gb/s.
const conditionalMost = 128 << 10

// condition is what has to be true of a node that takes an attempt. The zero value is none.
type condition struct {
	most   uint8         // requests that it holds, with this one
	within time.Duration // for which this one waits
}

// condition is that of the next attempt, which goes to the leased node. An exchange of which an attempt has failed has seen enough.
func (x *exchange) condition(lease *balancer.Lease, a aim) condition {
	if x.attempts > 0 || x.declines >= balancer.DeclinesMost || a.stick || len(x.out.body) > conditionalMost {
		return condition{}
	}
	c := condition{within: lease.Within()}
	if most, conditional := lease.Expects(); conditional {
		c.most = uint8(min(max(most, 0), math.MaxUint8))
	}
	return c
}

// declinedError means that the node has not begun, since it holds more than the attempt's condition allows.
type declinedError struct {
	load balancer.Load
	own  int64 // of its requests, those that are from us
}

// Error says what it holds.
func (e *declinedError) Error() string {
	return fmt.Sprintf("the node declined: it holds %d requests in flight and %d queued, more than was believed", e.load.InFlight, e.load.Queued)
}

// verdict is what a decline means: nothing, for the node.
func (e *declinedError) verdict() verdict {
	return verdict{node: balancer.Neutral, retry: true, unsent: true, reason: reasonUpstreamBusy, declined: e}
}

// takeBack gives back the lease of an attempt that was declined, which then was none. It comes when no hedge runs, since that has the
// nodes that were tried. A node whose hedge was tried after it stays among them: what becomes of that decides the exchange.
func (x *exchange) takeBack(lease *balancer.Lease, v verdict, hedged bool) {
	if v.declined == nil {
		return
	}
	tried := &x.met
	if hedged {
		tried = new(balancer.Tried)
		tried.Add(lease.Node())
	}
	memberOf(lease.Node()).declined.Add(1)
	lease.Declined(v.declined.load, v.declined.own, tried)
	x.declines++
	x.attempts--
}

// overtaken ends an exchange whose time is up while nodes decline it. It says whose time that was.
func (x *exchange) overtaken(v verdict) verdict {
	x.cause = v.declined
	v.reason = reasonUpstreamTimeout
	if x.hurried() {
		v.reason = reasonDeadline
	}
	return v
}
