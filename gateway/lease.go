package gateway

import "ganglion/balancer"

// lease picks a node for the next attempt of the exchange.
func (x *exchange) lease(a aim, tried *balancer.Tried) (balancer.Lease, error) {
	return x.model().Pick(balancer.Ask{Key: a.key, Stick: a.stick}, tried)
}

// lease picks a node for a copy, of which all that is known here is the route that it went by.
func (v *variant) lease(tried *balancer.Tried) (balancer.Lease, error) {
	m := v.model
	if m == nil {
		m = v.pool.Model("")
	}
	return m.Pick(balancer.Ask{}, tried)
}

// model is what the exchange is about, as the variant's pool knows it.
func (x *exchange) model() *balancer.Model {
	if m := x.variant.model; m != nil {
		return m
	}
	var room [128]byte // of most names; longer ones cost an allocation
	return x.variant.pool.Model(text(x.variant.appendModel(room[:0], x.call.Model)))
}

// know makes the model of an exchange known that a node has answered well: then its name is no invention of the client's.
func (x *exchange) know(m *balancer.Model) {
	if m.Common() && x.call.Model != "" {
		x.variant.pool.Know(string(x.variant.appendModel(nil, x.call.Model)))
	}
}

// appendModel appends the name by which the pool knows a model. Another version may be broken where this one is not, and the
// reverse: if the variant has one of its own, it is part of the name, as in the paths of the protocol.
func (v *variant) appendModel(dst []byte, model string) []byte {
	dst = append(dst, model...)
	if v.version != "" {
		dst = append(dst, "/versions/"...)
		dst = append(dst, v.version...)
	}
	return dst
}
