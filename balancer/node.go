package balancer

import "sync/atomic"

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

// Node is one member of a pool. It lives as long as the pool; its address, index and weight never change.
type Node struct {
	pool    *Pool
	address string
	index   int
	weight  int

	// Control: written under Pool.control, read from anywhere.
	state    atomic.Uint32
	breaker  atomic.Pointer[breaker]
	cause    atomic.Pointer[string] // what the last probe complained about; nil = nothing
	cameBack atomic.Int64           // when it went from down to up, by the pool's clock; 0 = never
	wake     chan struct{}          // holds one token: the prober should not wait any longer
	reported Circuit                // what the log and the observer know; under Pool.control

	// Counters: written by whoever holds or returns a lease. What policies read of a node comes first and lies together.
	inflight  atomic.Int64
	load      loadCell
	successes atomic.Uint64
	failures  atomic.Uint64
	neutral   atomic.Uint64
}

// Address is the node's "host:port", as configured.
func (n *Node) Address() string { return n.address }

// Index is the node's place in the pool's configuration, from 0. No other node of the pool has it.
func (n *Node) Index() int { return n.index }

// Weight is the node's configured share of the traffic; 0 = it is draining.
func (n *Node) Weight() int { return n.weight }

// Inflight is the number of leases on the node that are not done.
func (n *Node) Inflight() int64 { return n.inflight.Load() }

// State is what the probes say now.
func (n *Node) State() State { return State(n.state.Load()) }

// Circuit is what the node's breaker says now.
func (n *Node) Circuit() Circuit { return n.breaker.Load().circuit() }

// NodeStatus is one node at one moment, for metrics and people.
type NodeStatus struct {
	Address  string
	Index    int
	Weight   int
	State    State
	Circuit  Circuit
	Inflight int64
	// Attempts is the number of leases granted since the pool was made: those in flight and those that were reported as
	// one of the following.
	Attempts, Successes, Failures, Neutral uint64
	// Load is what the node said of itself last.
	Load Load
	// Cause is what the last probe complained about, "" when it was content.
	Cause string
}

func (n *Node) status() NodeStatus {
	s := NodeStatus{
		Address: n.address, Index: n.index, Weight: n.weight,
		State: n.State(), Circuit: n.Circuit(), Inflight: n.Inflight(),
		Successes: n.successes.Load(), Failures: n.failures.Load(), Neutral: n.neutral.Load(),
		Load: n.Load(),
	}
	s.Attempts = uint64(max(0, s.Inflight)) + s.Successes + s.Failures + s.Neutral
	if cause := n.cause.Load(); cause != nil {
		s.Cause = *cause
	}
	return s
}

// count settles the counters of one returned lease.
func (n *Node) count(o Outcome) {
	n.inflight.Add(-1)
	switch o {
	case Success:
		n.successes.Add(1)
	case Failure:
		n.failures.Add(1)
	case Neutral:
		n.neutral.Add(1)
	default:
		panic("BUG: lease reported with no outcome")
	}
}

// poke lets the prober look at the node now instead of when its time has come.
func (n *Node) poke() {
	select {
	case n.wake <- struct{}{}:
	default: // poked already
	}
}
