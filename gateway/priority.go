package gateway

import (
	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/oip"
)

// headerPriority says how urgent a request is, as the protocol's parameter "priority" does: 1 goes first, 9 last, and 0 is as if
// it said nothing. Nodes get it as it came.
const headerPriority = "X-Request-Priority"

// priority is the exchange's place among those who wait: 1 to 9, as far as its route believes its client. It is asked for only
// when there is a queue, so that looking into the body costs nothing while all goes well. Because of that, what is no priority
// is none rather than an error: a request must not be good or bad by how busy the nodes are.
func (x *exchange) priority() uint8 {
	named, found := headerPriorityOf(&x.req.Header)
	if !found {
		if n, found, err := x.wholeParameter("priority"); err == nil && found {
			named = clampPriority(n)
		}
	}
	return x.route.priority.of(named)
}

// of is the priority of a request that names one; 0 = it names none.
func (c *PriorityConfig) of(named uint8) uint8 {
	if named > 0 {
		return max(named, uint8(c.Best)) // the first is the least
	}
	return uint8(c.Default)
}

// headerPriorityOf is what a head asks for.
func headerPriorityOf(h *fasthttp.RequestHeader) (named uint8, found bool) {
	value := peek(h, headerPriority)
	if len(value) == 0 {
		return 0, false
	}
	n, _ := atoi(value)
	return clampPriority(uint64(n)), true
}

// clampPriority takes what is beyond the last priority for the last: models may have more levels.
func clampPriority(n uint64) uint8 { return uint8(min(n, balancer.LastPriority)) }

// wholeParameter finds one of the request's parameters, a whole number. In a body that is compressed nobody looks; the node
// that inflates it will.
func (x *exchange) wholeParameter(name string) (n uint64, found bool, err error) {
	h := &x.req.Header
	if x.call.Kind != oip.CallModelInfer || len(h.ContentEncoding()) > 0 {
		return 0, false, nil
	}
	if string(h.ContentType()) == oip.ProtoContentType {
		return oip.FindProtoWhole(x.req.Body(), name)
	}
	json, _, ok := split(x.req.Body(), peek(h, headerInferLength))
	if !ok {
		return 0, false, nil
	}
	return oip.FindWhole(json, name)
}
