package balancer

import (
	"sync/atomic"
	"time"
)

// placement is one model on one node. What is broken, missing or slow here may be well elsewhere on the node.
type placement struct {
	model *Model
	node  *Node

	// Control: written under Pool.control, read from anywhere.
	breaker  atomic.Pointer[breaker]
	ejected  atomic.Bool             // it is an outlier among the pool's nodes
	rests    atomic.Int64            // until then, by the pool's clock, it asked to be left alone
	conduct  atomic.Pointer[conduct] // nil = it has not been judged yet
	missing  atomic.Int64            // until then the node counts as not having the model; see Missing
	reported Circuit                 // what the log and the observer know; under Pool.control

	// What the policies have learned.
	pace    pace
	latency latency
	opening opening

	inflight atomic.Int64  // leases that are not over
	rested   atomic.Uint64 // times
	outcomes
}

func newPlacement(m *Model, n *Node) *placement {
	pl := &placement{model: m, node: n}
	pl.breaker.Store(m.pool.newBreaker(m.pool.cfg.Breaker.setback()))
	pl.pace.factor.Store(par)
	return pl
}

// place is the model's placement on the node. The caller holds Pool.control.
func (m *Model) place(n *Node) *placement {
	pl, ok := m.places[n]
	if !ok {
		pl = newPlacement(m, n)
		m.places[n] = pl
	}
	return pl
}

// circuit is what the worse of the two breakers says: the node's and the placement's own.
func (pl *placement) circuit() Circuit {
	return max(pl.node.Circuit(), pl.breaker.Load().circuit())
}

// resting reports whether the placement asked to be left alone for now, and until when.
func (pl *placement) resting(now time.Duration) (until time.Duration, yes bool) {
	until = time.Duration(pl.rests.Load())
	return until, now < until
}

// lacks reports whether the node counts as not having the model, and until when.
func (pl *placement) lacks(now time.Duration) (until time.Duration, yes bool) {
	until = time.Duration(pl.missing.Load())
	return until, now < until
}
