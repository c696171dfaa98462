package gateway

import (
	"errors"

	"ganglion/balancer"
)

// lease picks a node for the next attempt of the exchange, and waits for one that has room if it must. x.unleased says why
// there is none.
func (x *exchange) lease(a aim, tried *balancer.Tried) (l balancer.Lease, err error) {
	m, ask := x.model(), balancer.Ask{Key: a.key, Stick: a.stick, Willing: a.willing, Bound: x.bound(a)}
	if l, err = m.Pick(ask, tried); errors.Is(err, balancer.ErrFull) {
		l, err = x.queue(m, ask, tried)
	}
	x.unleased = err
	return // by name: a lease is not copied
}

// bound reports whether the next attempt goes without a condition, whatever node is found for it; see condition.
func (x *exchange) bound(a aim) bool {
	return x.attempts > 0 || a.stick || len(x.out.body) > conditionalMost
}

// queue waits in the pool's queue.
func (x *exchange) queue(m *balancer.Model, ask balancer.Ask, tried *balancer.Tried) (balancer.Lease, error) {
	w := x.waiter
	x.rank = x.priority()
	w.Priority, w.Deadline = x.rank, x.deadline
	before := w.Waited
	defer func() {
		if waited := w.Waited - before; waited > 0 {
			x.queued += waited
			x.variant.pool.queued.Observe(waited.Seconds())
		}
	}()
	return m.Wait(ask, tried, w)
}

// failUnleased tells the client why no node was asked.
func (x *exchange) failUnleased() {
	x.cause = x.unleased
	full, refused := errors.AsType[*balancer.QueueError](x.unleased)
	switch {
	case refused:
		x.failSaturated(full)
	case errors.Is(x.unleased, balancer.ErrLeft):
		x.fail(failClientGone())
	default:
		x.failNoNode(x.variant.pool.RetryAfter())
	}
}

// lease picks a node for a copy, of which all that is known here is the route that it went by.
func (v *variant) lease(tried *balancer.Tried) (balancer.Lease, error) {
	m := v.model
	if m == nil {
		m = v.pool.Model("")
	}
	return m.Pick(balancer.Ask{Bound: true}, tried)
}

// model is what the exchange is about, as the variant's pool knows it.
func (x *exchange) model() *balancer.Model { return x.variant.modelOf(x.call.Model) }

// modelOf is the model of that name, as the variant's pool knows it.
func (v *variant) modelOf(name string) *balancer.Model {
	if v.model != nil {
		return v.model
	}
	var room [128]byte // of most names; longer ones cost an allocation
	return v.pool.Model(text(v.appendModel(room[:0], name)))
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
		dst = append(dst, versionsPart...)
		dst = append(dst, v.version...)
	}
	return dst
}
