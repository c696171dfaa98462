package balancer

import (
	"cmp"
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

	worstPicked = standings - 1
)

// standing is the worst of all that is to be said of the placement, and until when it holds; 0 = until something happens.
func (pl *placement) standing(now time.Duration) (st standing, until time.Duration) {
	ofNode := pl.node.standing()
	st, until = pl.own(now)
	if st == doubted && pl.node.drains() {
		st = doubtedDraining
	}
	if ofNode >= st {
		return ofNode, 0
	}
	return st, until
}

// standing is the same of what is to be said of the node, whatever the model.
func (n *Node) standing() standing {
	drains, closed := n.drains(), n.Circuit() == Closed
	switch {
	case n.State() == Down:
		return standings
	case n.suspect.Load():
		return suspected
	case drains && !closed:
		return doubtedDraining
	case !closed:
		return doubted
	case drains:
		return draining
	case n.State() == Unknown:
		return hopeful
	}
	return sound
}

// own is the same of what is to be said of the model on the node alone.
func (pl *placement) own(now time.Duration) (st standing, until time.Duration) {
	lacks, isMissing := pl.lacks(now)
	rests, isResting := pl.resting(now)
	switch {
	case isMissing:
		return missing, lacks
	case pl.breaker.Load().circuit() != Closed:
		return doubted, 0
	case isResting:
		return resting, rests
	case pl.ejected.Load():
		return ejected, 0
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
	worst    standing // that any of them has; more than standing only where several are one
	nodes    []candidate
	heaviest uint64 // weight
	weight   uint64 // of all
	even     bool   // all weights are equal
	ramp     uint64 // of the node that has started furthest
	rotation *rotation
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
	p := m.pool
	members, now := p.members.Load(), p.now()
	s := &snapshot{ring: members.ring}
	lined := m.line(members)
	due := time.Duration(math.MaxInt64)
	sorted := p.sorting[:0]
	var counts [standings + 1]int
	for _, pl := range lined {
		st, until := pl.standing(now)
		due = sooner(due, until)
		counts[st]++
		sorted = append(sorted, st)
		// A draining node gets no trial: nobody is waiting for it to come back.
		if st == doubted || (st == ejected || st == sound) && pl.wantsLook() {
			s.trials = append(s.trials, pl)
		}
	}
	p.sorting = sorted
	byStanding := groupsOf(counts)
	for at, st := range sorted {
		if st < standings {
			step, next := lined[at].node.ramp(p.cfg.SlowStart, now)
			due = sooner(due, next)
			byStanding[st].add(lined[at], int32(at), step)
		}
	}
	for st, g := range byStanding {
		if len(g.nodes) > 0 {
			g.standing, g.worst = standing(st), standing(st)
			g.settle()
			g.rotate(m.current.Load())
			s.groups = append(s.groups, g)
		}
	}
	s.homes = m.homes(s.groups)
	m.current.Store(s)
	m.due.Store(int64(max(due, now+p.pause())))
	p.queue.stir()
}

// groupsOf are empty groups, by standing, with room for so many nodes each: parts of one piece of memory.
func groupsOf(counts [standings + 1]int) (groups [standings]group) {
	all := 0
	for _, n := range counts[:standings] {
		all += n
	}
	room := make([]candidate, all)
	for st, n := range counts[:standings] {
		groups[st].nodes, room = room[:0:n], room[n:]
	}
	return groups
}

// line are the model's placements in the order of the members. Those of nodes that have left are let go.
func (m *Model) line(members *members) []*placement {
	if m.linedUp == members {
		return m.lined
	}
	m.linedUp, m.lined = members, make([]*placement, len(members.nodes))
	places := make(map[*Node]*placement, len(members.nodes))
	for at, n := range members.nodes {
		m.lined[at] = m.place(n)
		places[n] = m.lined[at]
	}
	m.places = places
	return m.lined
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
	all.worst = groups[working-1].worst
	slices.SortFunc(all.nodes, func(a, b candidate) int { return cmp.Compare(a.at, b.at) })
	return append([]group{all}, groups[working:]...)
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
	for pl := range s.due(l.began) {
		if pl.node.footing() > doubted.shaky() {
			continue // since
		}
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

// due yields those whose trial may be due: all, or of many as many in a row as a pick compares nodes. When half of ten thousand
// nodes has died, every pick would else spend 90 µs on asking each of them whether its time has come; it takes 2.
func (s *snapshot) due(now time.Duration) func(yield func(*placement) bool) {
	return func(yield func(*placement) bool) {
		from, count := 0, len(s.trials)
		if count > fieldMost {
			from, count = int(mix(uint64(now))%uint64(count)), sampleSize
		}
		for i := range count {
			if !yield(s.trials[(from+i)%len(s.trials)]) {
				return
			}
		}
	}
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

// any reports whether the group has a node that the attempt may wait for, be it full.
func (g *group) any(a *ask) bool {
	for i := range g.nodes {
		if a.may(&g.nodes[i]) {
			return true
		}
	}
	return false
}
