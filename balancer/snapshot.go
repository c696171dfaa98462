package balancer

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// standing is how gladly a node is picked for a model, best first. The package documentation explains the order.
type standing uint8

const (
	sound standing = iota
	hopeful
	ejected
	resting
	draining
	doubted
	doubtedDraining
	suspected
	missing
	standings // how many there are; also the standing of a node that must not be picked
)

// standing is the worst of all that is to be said of the placement, and until when it holds; 0 = until something happens.
func (pl *placement) standing(now time.Duration) (st standing, until time.Duration) {
	n := pl.node
	lacks, isMissing := pl.lacks(now)
	rests, isResting := pl.resting(now)
	closed := pl.circuit() == Closed
	switch {
	case n.State() == Down:
		return standings, 0
	case isMissing:
		return missing, lacks
	case n.suspect.Load():
		return suspected, 0
	case !closed && n.drains():
		return doubtedDraining, 0
	case !closed:
		return doubted, 0
	case n.drains():
		return draining, 0
	case isResting:
		return resting, rests
	case pl.ejected.Load():
		return ejected, 0
	case n.State() == Unknown:
		return hopeful, 0
	}
	return sound, 0
}

// snapshot is everything that Pick reads. It never changes once it is published.
type snapshot struct {
	groups []group      // best standing first, none of them empty
	homes  []group      // the same for those who stick to their node: the first holds all that work
	trials []*placement // who may have a trial when it is due: their circuit is not closed, or they are ejected or may be soon
	ring   func() *ring // whose places are those of the candidates
}

// group holds the nodes of one standing, in the order of the configuration.
type group struct {
	standing standing
	nodes    []candidate
	heaviest uint64 // weight
	weight   uint64 // of all
	even     bool   // all weights are equal
	ramp     uint64 // of the node that has started furthest
}

// candidate is a node as policies see it.
type candidate struct {
	node   *Node
	place  *placement
	weight uint64 // at least 1: among nodes that all drain, all are equal
	each   uint64 // burdenUnit by weight
	ramp   uint32 // of rampSteps, how far it has started
	at     int32  // its place among the members, which groups are in the order of
}

// rebuild makes the model's nodes as they are now what its picks read. The caller holds Pool.control.
func (m *Model) rebuild() {
	members := m.pool.members.Load()
	s := &snapshot{ring: members.ring}
	var byStanding [standings + 1]group
	now := m.pool.now()
	due := time.Duration(math.MaxInt64)
	for at, n := range members.nodes {
		pl := m.place(n)
		st, until := pl.standing(now)
		due = sooner(due, until)
		step, next := n.ramp(m.pool.cfg.SlowStart, now)
		if st < standings {
			due = sooner(due, next)
		}
		byStanding[st].add(pl, int32(at), step)
		// A draining node gets no trial: nobody is waiting for it to come back.
		if st == doubted || (st == ejected || st == sound) && pl.wantsLook() {
			s.trials = append(s.trials, pl)
		}
	}
	for st, g := range byStanding[:standings] {
		if len(g.nodes) > 0 {
			g.standing = standing(st)
			g.settle()
			s.groups = append(s.groups, g)
		}
	}
	s.homes = m.homes(s.groups)
	m.forget(members)
	m.current.Store(s)
	m.built = now
	m.due.Store(int64(max(due, now+m.pause(len(members.nodes)))))
	m.pool.queue.stir()
}

// forget lets go of placements on nodes that have left.
func (m *Model) forget(members *members) {
	if len(m.places) == len(members.nodes) {
		return // nobody has left
	}
	stay := make(map[*Node]bool, len(members.nodes))
	for _, n := range members.nodes {
		stay[n] = true
	}
	maps.DeleteFunc(m.places, func(n *Node, _ *placement) bool { return !stay[n] })
}

// homes are the groups with all that hold nodes which work, be they slow or at rest, as one.
func (m *Model) homes(groups []group) []group {
	working := 0
	for working < len(groups) && groups[working].standing < draining {
		working++
	}
	if working < 2 {
		return groups
	}
	var all group
	for _, g := range groups[:working] {
		all.nodes = append(all.nodes, g.nodes...)
	}
	slices.SortFunc(all.nodes, func(a, b candidate) int { return cmp.Compare(a.at, b.at) })
	return append([]group{all}, groups[working:]...)
}

// rebuildPause is the least time between two snapshots of a large pool that are made for single nodes. A thousand nodes which
// all say that they are full, and ask again, would else have the gateway do nothing but tell its pickers.
const rebuildPause = time.Millisecond

// pause is rebuildPause if the pool is large.
func (m *Model) pause(nodes int) time.Duration {
	if nodes <= fieldMost {
		return 0
	}
	return rebuildPause
}

// publish makes the model as it is now what picks read: at once, or in a large pool together with others that want it.
func (m *Model) publish() {
	p := m.pool
	p.control.Lock()
	defer p.control.Unlock()
	if then := m.built + m.pause(len(p.members.Load().nodes)); p.now() < then {
		m.due.Store(min(m.due.Load(), int64(then)))
		return
	}
	m.rebuild()
}

// sooner is the sooner of two times, of which the second may be 0 for never.
func sooner(a, b time.Duration) time.Duration {
	if b > 0 && b < a {
		return b
	}
	return a
}

func (g *group) add(pl *placement, at int32, step uint64) {
	weight := uint64(max(1, pl.node.weight.Load()))
	g.nodes = append(g.nodes, candidate{node: pl.node, place: pl, weight: weight, ramp: uint32(step), at: at})
}

// settle works out the weights. Those of a group in which nodes start slowly are in units of a step.
func (g *group) settle() {
	behind := false
	for i := range g.nodes {
		behind = behind || g.nodes[i].ramp != g.nodes[0].ramp
		g.ramp = max(g.ramp, uint64(g.nodes[i].ramp))
	}
	for i := range g.nodes {
		c := &g.nodes[i]
		if behind {
			c.weight *= uint64(c.ramp)
		}
		c.each = burdenUnit / c.weight
		g.heaviest = max(g.heaviest, c.weight)
		g.weight += c.weight
	}
	g.even = g.weight == g.heaviest*uint64(len(g.nodes))
}

// trial makes l the lease of the first node that is due for a trial, and reports whether there is one. The node's own circuit
// goes first: while it does not answer, its models cannot.
func (s *snapshot) trial(l *Lease) bool {
	for _, pl := range s.trials {
		b := pl.node.breaker.Load()
		if b.circuit() == Closed {
			b = pl.breaker.Load()
		}
		if b.circuit() == Closed {
			if pl.look(l) {
				return true
			}
			continue
		}
		if !b.due(l.began) || !pl.node.reserve() {
			continue
		}
		if report := b.tryTrial(l.began); report != nil {
			l.to(pl)
			l.trial, l.trialOf = report, b
			return true
		}
		pl.node.surrender()
	}
	return false
}

// untried is the first node at or after from, going round, that can take the attempt; nil = there is none.
func (g *group) untried(from uint64, a *ask) *placement {
	n := uint64(len(g.nodes))
	for i := range n {
		if c := &g.nodes[(from+i)%n]; a.fits(c) {
			return c.place
		}
	}
	return nil
}

// anyUntried reports whether the group has a node that was not tried, be it full.
func (g *group) anyUntried(tried *Tried) bool {
	for i := range g.nodes {
		if !tried.Has(g.nodes[i].node) {
			return true
		}
	}
	return false
}
