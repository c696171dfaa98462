package balancer

import (
	"errors"
	"sync/atomic"
)

// State is what the probes have found out about a node.
type State uint8

// A node is Unknown until its first probe is answered, and believes that one; after that it takes several in a row to
// change its state.
const (
	Unknown State = iota
	Up
	Down
)

// String is the word used in logs, in metrics and on the status page.
func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return "unknown"
}

// Node is one process that a pool sends attempts to, whatever models it has. It is the pool's from New or Update until an
// Update without it; its address and protocol never change.
type Node struct {
	// Written by whoever holds or returns a lease. What policies read of a node comes first of all and lies together, so that a
	// pick fetches one line of memory for it.
	inflight atomic.Int64
	turnedAt atomic.Int64  // when what it works on began, by the pool's clock: when a lease ended last, or it had none
	limit    atomic.Int64  // leases at a time; 0 = any number
	held     atomic.Int64  // how long a lease lasts, in nanoseconds, of late; 0 = not known
	retired  atomic.Bool   // not a member any more
	stands   atomic.Uint32 // a footing
	turn     atomic.Uint64 // what it has had, in turnUnits by weight; see turns
	load     loadCell

	pool      *Pool
	address   string
	canonical string
	protocol  string
	member    any
	late      bool // joined after the pool was made

	// Control: written under Pool.control, read from anywhere.
	weight   atomic.Int64
	state    atomic.Uint32
	breaker  atomic.Pointer[breaker]
	drained  atomic.Bool            // by an operator
	leaving  atomic.Bool            // by its own word
	suspect  atomic.Bool            // it gives no sign of life
	cause    atomic.Pointer[string] // what the last probe complained about; nil = nothing
	cameBack atomic.Int64           // when it became ready after others, by the pool's clock; 0 = it did not
	wake     chan struct{}          // holds one token: the prober should not wait any longer
	reported Circuit                // what the log and the observer know; under Pool.control
	left     atomic.Bool            // Options.Leave was told
	most     atomic.Int64           // what the configuration allows at a time; 0 = any number
	wanted   atomic.Int64           // what admission allows; 0 = any number
	found    atomic.Int64           // the limit that admission has found, in force or not; 0 = none
	finder   *finder                // that finds it; belongs to Pool.Run

	outcomes

	suspicions atomic.Uint64
}

// Address is the node's "host:port", as configured.
func (n *Node) Address() string { return n.address }

// Protocol is what the node speaks: ProtocolHTTP or ProtocolGRPC.
func (n *Node) Protocol() string { return n.protocol }

// Member is what Options.Join returned for the node, nil without it.
func (n *Node) Member() any { return n.member }

// Weight is the node's configured share of the traffic; 0 = it is draining.
func (n *Node) Weight() int { return int(n.weight.Load()) }

// Inflight is the number of leases on the node that are not done.
func (n *Node) Inflight() int64 { return n.inflight.Load() }

// Limit is the number of leases that the node may have at a time, 0 = any number.
func (n *Node) Limit() int64 { return n.limit.Load() }

// State is what the probes say now.
func (n *Node) State() State { return State(n.state.Load()) }

// Circuit is what the node's own breaker says now. Models on it have theirs.
func (n *Node) Circuit() Circuit { return n.breaker.Load().circuit() }

// drains reports whether the node should get nothing new as long as another one is fit.
func (n *Node) drains() bool { return n.weight.Load() == 0 || n.drained.Load() || n.leaving.Load() }

// full reports whether the node is at its limit.
func (n *Node) full() bool {
	limit := n.limit.Load()
	return limit != 0 && n.inflight.Load() >= limit
}

// takes reports whether the node has room, and stands no worse by now than that.
func (n *Node) takes(worst footing) bool { return n.footing() <= worst && !n.full() }

// errMoved means that the snapshot was older than the pool's membership.
var errMoved = errors.New("the node has left the pool")

// reserve takes one of the node's places; false = it has none, or is no member any more. With a limit it never takes one
// too many, not even for a moment, in which others would find a node full that is not.
func (n *Node) reserve() bool {
	if n.limit.Load() == 0 {
		n.inflight.Add(1)
	} else {
		for {
			inflight, limit := n.inflight.Load(), n.limit.Load()
			if limit != 0 && inflight >= limit {
				return false
			}
			if n.inflight.CompareAndSwap(inflight, inflight+1) {
				break
			}
		}
	}
	if n.retired.Load() {
		n.vacate()
		return false
	}
	return true
}

// vacate gives a place back, of which the caller tells the queue.
func (n *Node) vacate() {
	n.inflight.Add(-1)
	if n.retired.Load() {
		n.leaveIfIdle()
	}
}

// surrender gives back a place that was not used. Those who found the node full for that moment may be in the queue by now,
// whose lock the caller may hold.
func (n *Node) surrender() {
	n.vacate()
	n.pool.queue.stir()
}

// poke lets the prober look at the node now instead of when its time has come.
func (n *Node) poke() {
	select {
	case n.wake <- struct{}{}:
	default: // poked already
	}
}
