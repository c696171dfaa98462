package balancer

import "time"

// standing is how gladly a node is picked, best first. The package documentation explains the order.
type standing uint8

const (
	sound standing = iota
	hopeful
	draining
	doubted
	doubtedDraining
	standings // how many there are; also the standing of a node that must not be picked
)

func (n *Node) standing() standing {
	state := n.State()
	switch {
	case state == Down:
		return standings
	case n.Circuit() != Closed && n.weight == 0:
		return doubtedDraining
	case n.Circuit() != Closed:
		return doubted
	case n.weight == 0:
		return draining
	case state == Unknown:
		return hopeful
	}
	return sound
}

// snapshot is everything that Pick reads. It never changes once it is published.
type snapshot struct {
	groups []group // best standing first, none of them empty
	trials []*Node // whose circuit is not closed and who may have a trial when it is due

	climbs time.Duration // by the pool's clock, when a node that starts slowly gets more; 0 = none does
}

// group holds the nodes of one standing, in the order of the configuration.
type group struct {
	nodes    []candidate // by index
	heaviest uint64      // weight
	weight   uint64      // of all
	even     bool        // all weights are equal
	ramp     uint64      // of the node that has started furthest
}

// candidate is a node as policies see it.
type candidate struct {
	node   *Node
	weight uint64 // at least 1: among nodes that all drain, all are equal
	each   uint64 // burdenUnit by weight
	ramp   uint64 // of rampSteps, how far it has started
}

// snapshot takes the nodes as they are now.
func (p *Pool) snapshot() *snapshot {
	var byStanding [standings + 1]group
	s := &snapshot{}
	now := p.now()
	for _, n := range p.nodes {
		st := n.standing()
		step, next := n.ramp(p.slowStart, now)
		if next > 0 && st < standings && (s.climbs == 0 || next < s.climbs) {
			s.climbs = next
		}
		byStanding[st].add(n, step)
		// A draining node gets no trial: nobody is waiting for it to come back.
		if st == doubted {
			s.trials = append(s.trials, n)
		}
	}
	for _, g := range byStanding[:standings] {
		if len(g.nodes) > 0 {
			g.settle()
			s.groups = append(s.groups, g)
		}
	}
	return s
}

func (g *group) add(n *Node, step uint64) {
	g.nodes = append(g.nodes, candidate{node: n, weight: uint64(max(1, n.weight)), ramp: step})
}

// settle works out the weights. Those of a group in which nodes start slowly are in units of a step.
func (g *group) settle() {
	behind := false
	for i := range g.nodes {
		behind = behind || g.nodes[i].ramp != g.nodes[0].ramp
		g.ramp = max(g.ramp, g.nodes[i].ramp)
	}
	for i := range g.nodes {
		c := &g.nodes[i]
		if behind {
			c.weight *= c.ramp
		}
		c.each = burdenUnit / c.weight
		g.heaviest = max(g.heaviest, c.weight)
		g.weight += c.weight
	}
	g.even = g.weight == g.heaviest*uint64(len(g.nodes))
}

// trial grants the trial of the first node that is due for one.
func (s *snapshot) trial() (*Node, *breaker, func(error)) {
	for _, n := range s.trials {
		b := n.breaker.Load()
		if report := b.tryTrial(); report != nil {
			return n, b, report
		}
	}
	return nil, nil, nil
}

// untried is the first node at or after from, going round, that was not tried; nil = all were.
func (g *group) untried(from uint64, tried Tried) *Node {
	n := uint64(len(g.nodes))
	for i := range n {
		if c := &g.nodes[(from+i)%n]; !tried.Has(c.node) {
			return c.node
		}
	}
	return nil
}
