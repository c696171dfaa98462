package balancer

import (
	"slices"
	"time"
)

// Models are the names of the models that somebody wants to know of: those that are known to the pool, in alphabetical order. They
// are what Know was given. A probe asks the node for them, and tells Found.
func (n *Node) Models() []string {
	known := *n.pool.known.Load()
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// foundTime is how long it is believed that a node lacks a model, when no later probe can tell: it may come back as a server of
// another kind. Attempts find out then.
const foundTime = time.Minute

// Found notes which models the node has ready and which it has not, by its own word. What is not in the map stays as it is. A node
// that lacks a model gets no attempt of it as long as another node has it. Any goroutine may call it, but not Options.Leave or
// an Observer.
func (n *Node) Found(ready map[string]bool) {
	p := n.pool
	until := max(foundTime, 4*p.cfg.Health.Interval)
	p.control.Lock()
	defer p.control.Unlock()
	now := p.now()
	for name, has := range ready {
		m, ok := (*p.known.Load())[name]
		if !ok || n.retired.Load() {
			continue
		}
		pl := m.place(n)
		if !has {
			pl.note(true, now, until)
			continue
		}
		if pl.note(false, now, 0) && pl.breaker.Load().circuit() != Closed {
			// It has been loaded since: what it failed before says nothing.
			pl.renew()
		}
	}
}

// renew gives the placement a breaker that knows of nothing. The caller holds Pool.control.
func (pl *placement) renew() {
	p := pl.model.pool
	pl.breaker.Store(p.newBreaker(p.cfg.Breaker.setback()))
	change := Change{Pool: p.name, Node: pl.node, Model: pl.model, State: pl.node.State(), OldState: pl.node.State()}
	change.OldCircuit, pl.reported = pl.reported, Closed
	pl.model.changed()
	if change.OldCircuit != Closed {
		p.tell(change)
	}
}

// note takes down whether the node has the model, for d if it has not, and reports whether that is news. The caller holds
// Pool.control.
func (pl *placement) note(missing bool, now, d time.Duration) (news bool) {
	_, before := pl.lacks(now)
	until := int64(0)
	if missing {
		until = int64(now + d)
	}
	pl.missing.Store(until)
	if before == missing {
		return false
	}
	pl.logMissing(missing)
	pl.model.changed()
	return true
}

// Recheck has the node probed now: somebody has loaded a model, or unloaded one.
func (n *Node) Recheck() { n.poke() }

// Ready reports whether a node is up that has the model, as far as anybody knows.
func (m *Model) Ready() bool {
	for _, g := range m.fresh(m.pool.now()).groups {
		if g.standing == missing {
			break
		}
		for _, c := range g.nodes {
			if c.node.State() == Up {
				return true
			}
		}
	}
	return false
}
