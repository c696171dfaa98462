package balancer

import (
	"log/slog"
	"time"
)

// Change is a node whose state or circuit is not what it was, or a model on it whose circuit is not, or which is ejected or is
// not any more.
type Change struct {
	Pool            string
	Node            *Node
	Model           *Model // whose circuit on the node it is; nil = the node's own
	State, OldState State
	// Circuit is Closed or Open: that an open circuit is being tried is told by Nodes only, so that a node which stays
	// broken is reported once and not at every trial.
	Circuit, OldCircuit Circuit
	// Ejected says whether the model is ejected from the node, as an outlier, and Why what spoke against it.
	Ejected, WasEjected bool
	Why                 Ejection
	// Cause is why a node went down, else nil.
	Cause error
}

// Observer is told of changes in the order in which they happen, one at a time, by the goroutine that caused them. It must
// be quick, since that may be one with a client waiting, and must not call the pool or its leases.
type Observer func(Change)

// Mark takes a verdict about the node at that address from somebody who knows without a probe: what runs the nodes, or a
// simulation of them. Probes go on from there and may come to another one. The cause of a node being down is for people.
func (p *Pool) Mark(address string, state State, cause error) error {
	n, err := p.Find(address)
	if err != nil {
		return err
	}
	n.complain(cause)
	p.setState(n, state, cause)
	return nil
}

// setState takes a verdict of the probes. A node that comes back gets new breakers: what its old process has failed says
// nothing about the new one, and waiting out an open circuit would only overload the others.
func (p *Pool) setState(n *Node, state State, cause error) {
	p.control.Lock()
	defer p.control.Unlock()
	change := Change{Pool: p.name, Node: n, OldState: n.State(), State: state, Cause: cause}
	change.OldCircuit = n.reported
	n.state.Store(uint32(state))
	if state == Up && (change.OldState == Down || change.OldState == Unknown && n.late) {
		n.cameBack.Store(int64(max(1, p.now())))
	}
	switch {
	case change.OldState == Down && state == Up:
		p.revived.Store(int64(max(1, p.now())))
		p.forgive(n)
	case state == Down:
		p.forgetModels(n)
	}
	change.Circuit = roughly(n.Circuit())
	p.changed(n)
	if change.State != change.OldState || change.Circuit != change.OldCircuit {
		n.reported = change.Circuit
		p.tell(change)
	}
}

// forgive forgets what the node's last process did. The caller holds p.control.
func (p *Pool) forgive(n *Node) {
	n.breaker.Store(p.newBreaker(p.cfg.Breaker.setback()))
	n.leaving.Store(false)
	n.stands.And(^uint32(faltering))
	for m := range p.models {
		pl := m.place(n)
		pl.breaker.Store(p.newBreaker(p.cfg.Breaker.setback()))
		pl.reported = Closed
		pl.rests.Store(0)
		if c := pl.conduct.Load(); c != nil {
			c.acquit(pl.counters(p.now()))
			c.setback = p.cfg.Outlier.setback()
		}
		pl.ejected.Store(false)
	}
}

// forgetModels forgets which models a process lacks that is gone. The probes that find the next one up have heard already what it
// has. The caller holds p.control.
func (p *Pool) forgetModels(n *Node) {
	for m := range p.models {
		m.place(n).missing.Store(0)
	}
}

// mend closes the circuit of a node that did not answer and has answered probes since, without waiting for a trial: a restart that
// no probe has seen, a network that was gone for a moment. It believes the probes once. When the circuit opens again before its time
// of health has passed, what the probes see is not what attempts meet, and trials decide.
func (p *Pool) mend(n *Node) {
	b := n.breaker.Load()
	past, first := b.past()
	if !first || b.circuit() == Closed {
		return
	}
	past.recovered(p.now())
	if n.breaker.CompareAndSwap(b, p.newBreaker(past)) {
		p.nodeTurned(n)
	}
}

// nodeTurned takes up what a node's breaker did. Called after the fact, so the circuit may have turned back already.
func (p *Pool) nodeTurned(n *Node) {
	p.control.Lock()
	defer p.control.Unlock()
	change := Change{Pool: p.name, Node: n, OldState: n.State(), State: n.State()}
	change.OldCircuit, change.Circuit = n.reported, roughly(n.Circuit())
	p.changed(n)
	if change.Circuit != change.OldCircuit {
		n.reported = change.Circuit
		p.tell(change)
	}
	if change.Circuit == Open {
		n.poke()
	}
}

// turned takes up what a placement's breaker did.
func (pl *placement) turned() {
	p, n := pl.model.pool, pl.node
	p.control.Lock()
	defer p.control.Unlock()
	change := Change{Pool: p.name, Node: n, Model: pl.model, OldState: n.State(), State: n.State()}
	change.OldCircuit, change.Circuit = pl.reported, roughly(pl.breaker.Load().circuit())
	pl.model.changed()
	if change.Circuit != change.OldCircuit {
		pl.reported = change.Circuit
		p.tell(change)
	}
	if change.Circuit == Open {
		n.poke()
	}
}

// tell lets those know who want to. The caller holds p.control.
func (p *Pool) tell(c Change) {
	p.logChange(c)
	if p.observe != nil {
		p.observe(c)
	}
}

func (p *Pool) logChange(c Change) {
	log := p.log.With(slog.String("pool", p.name), slog.String("node", c.Node.address))
	failures := &c.Node.failures
	if c.Model != nil {
		log = log.With(slog.String("model", c.Model.label()))
		failures = &c.Model.place(c.Node).faults
	}
	switch {
	case c.State == Down && c.OldState != Down:
		log.Warn("node is down", slog.Any("cause", c.Cause))
	case c.State == Up && c.OldState != Up:
		log.Info("node is up")
	case c.Circuit == Open:
		log.Warn("circuit opened", slog.Uint64("failures", failures.Load()))
	default:
		log.Info("circuit closed")
	}
}

func (p *Pool) logDrain(n *Node, on bool, by string) {
	message := "node drains"
	if !on {
		message = "node drains no more"
	}
	p.log.Info(message, "pool", p.name, "node", n.address, "by", by, "in_flight", n.Inflight())
}

func (pl *placement) logMissing(missing bool) {
	p := pl.model.pool
	log := p.log.With("pool", p.name, "node", pl.node.address, "model", pl.model.label())
	if missing {
		log.Warn("node does not have the model")
		return
	}
	log.Info("node has the model")
}

// logRest tells of a rest that is long enough for people; shorter ones are counted.
func (pl *placement) logRest(d time.Duration) {
	if d >= time.Second {
		p := pl.model.pool
		p.log.Info("node asks to be left alone", "pool", p.name, "node", pl.node.address, "model", pl.model.label(), "for", d)
	}
}

// label is the model's name for people.
func (m *Model) label() string {
	if m.Common() {
		return "*"
	}
	return m.name
}

// roughly is Open for every circuit that is not closed.
func roughly(c Circuit) Circuit {
	if c == Closed {
		return Closed
	}
	return Open
}
