package gateway

import (
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
	may := x.route.priority
	if named := x.namedPriority(); named > 0 {
		return max(named, uint8(may.Best)) // the first is the least
	}
	return uint8(may.Default)
}

// namedPriority is what the client asks for; 0 = nothing.
func (x *exchange) namedPriority() uint8 {
	if value := peek(&x.req.Header, headerPriority); len(value) > 0 {
		n, _ := atoi(value)
		return clampPriority(uint64(n))
	}
	n, found, err := x.wholeParameter("priority")
	if err != nil || !found {
		return 0
	}
	return clampPriority(n)
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
