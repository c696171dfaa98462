package balancer

// leastLoad takes the node with the least outstanding work for its weight: what this gateway has sent and not heard of, and
// what others have, by the node's own word. Nodes say with each answer how many requests they hold; see [Node.Report]. One
// that says nothing is judged by what this gateway knows, which is least_connections.
type leastLoad struct {
	turn turn
	rand func() uint64
}

func newLeastLoad(m makings) *leastLoad {
	p := &leastLoad{rand: m.rand}
	p.turn.count.Store(m.rand())
	return p
}

func (p *leastLoad) choose(g *group, a ask) *Node {
	var some sample
	field := some.of(g, p.rand)
	best := contest{score: unbeaten}
	for i := range field {
		c := &field[i]
		if a.tried.Len() > 0 && a.tried.Has(c.node) {
			continue
		}
		best.enter(i, c.weight, c.burden(c.node.inflight.Load()+c.node.load.foreign(a.now)))
	}
	if best.tied == 0 {
		return g.untried(p.rand(), a.tried) // a sample may hold none
	}
	return best.winner(field, &p.turn)
}
