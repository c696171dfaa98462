package balancer

import "log/slog"

// Change is a node whose state or circuit is not what it was.
type Change struct {
	Pool            string
	Node            *Node
	State, OldState State
	// Circuit is Closed or Open: that an open circuit is being tried is told by Nodes only, so that a node which stays
	// broken is reported once and not at every trial.
	Circuit, OldCircuit Circuit
	// Cause is why a node went down, else nil.
	Cause error
}

// Observer is told of changes in the order in which they happen, one at a time, by the goroutine that caused them. It must
// be quick, since that may be one with a client waiting, and must not call the pool or its leases.
type Observer func(Change)

// Mark takes a verdict about the node of that index from somebody who knows without a probe: what runs the nodes, or a
// simulation of them. Probes go on from there and may come to another one. The cause of a node being down is for people.
func (p *Pool) Mark(index int, state State, cause error) {
	n := p.nodes[index]
	n.complain(cause)
	p.setState(n, state, cause)
}

// setState takes a verdict of the probes. A node that comes back gets a new breaker: what its old process has failed says
// nothing about the new one, and waiting out an open circuit would only overload the others.
func (p *Pool) setState(n *Node, state State, cause error) {
	p.control.Lock()
	defer p.control.Unlock()
	change := Change{Pool: p.name, Node: n, OldState: n.State(), State: state, Cause: cause}
	change.OldCircuit = n.reported
	n.state.Store(uint32(state))
	if change.OldState == Down && state == Up {
		n.breaker.Store(newBreaker(p.breaker, p.now))
		n.cameBack.Store(int64(max(1, p.now())))
	}
	change.Circuit = n.coarseCircuit()
	p.publish(change)
}

// circuitTurned takes up what a breaker did. Called after the fact, so the circuit may have turned back already.
func (p *Pool) circuitTurned(n *Node) {
	p.control.Lock()
	defer p.control.Unlock()
	change := Change{Pool: p.name, Node: n, OldState: n.State(), State: n.State()}
	change.OldCircuit, change.Circuit = n.reported, n.coarseCircuit()
	p.publish(change)
	if change.Circuit == Open {
		n.poke()
	}
}

// publish makes the nodes as they are now what Pick reads, and tells who wants to know. The caller holds p.control.
func (p *Pool) publish(c Change) {
	p.current.Store(p.snapshot())
	if c.State == c.OldState && c.Circuit == c.OldCircuit {
		return
	}
	c.Node.reported = c.Circuit
	p.logChange(c)
	if p.observe != nil {
		p.observe(c)
	}
}

func (p *Pool) logChange(c Change) {
	log := p.log.With(slog.String("pool", p.name), slog.String("node", c.Node.address))
	switch {
	case c.State == Down && c.OldState != Down:
		log.Warn("node is down", slog.Any("cause", c.Cause))
	case c.State == Up && c.OldState != Up:
		log.Info("node is up")
	case c.Circuit == Open:
		log.Warn("circuit opened", slog.Uint64("failures", c.Node.failures.Load()))
	default:
		log.Info("circuit closed")
	}
}

// coarseCircuit is Open for every circuit that is not closed.
func (n *Node) coarseCircuit() Circuit {
	if n.Circuit() == Closed {
		return Closed
	}
	return Open
}
