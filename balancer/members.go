package balancer

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"ganglion/internal/hostport"
)

// members are the nodes of a pool between two changes of its membership. They never change once they are published.
type members struct {
	nodes []*Node
	at    map[string]*Node // by canonical address
	ring  func() *ring     // of their addresses and weights; made when it is called first
}

func newMembers(nodes []*Node, ring func() *ring) *members {
	m := &members{nodes: nodes, at: make(map[string]*Node, len(nodes)), ring: ring}
	for _, n := range nodes {
		m.at[n.canonical] = n
	}
	return m
}

// ringOf is the ring of those nodes. It takes 0.6 s for ten thousand of them, so that nobody makes it who holds p.control.
func (p *Pool) ringOf(nodes []NodeConfig) func() *ring {
	configs := slices.Clone(nodes) // the caller's
	get := sync.OnceValue(func() *ring { return newRing(configs) })
	if p.cfg.Policy == ConsistentHash {
		get() // now, rather than while a request waits
	}
	return get
}

// Update makes nodes the members of the pool, all of them. Those of an address and protocol that is a member already stay
// as they are, with their counters, and take the new weight; others join, and those that are not in the list leave: nobody
// picks them any more, and Options.Leave is told once their last lease is done. The error names everything that is wrong
// with the list, or is that of Options.Join; nothing has changed then.
func (p *Pool) Update(nodes []NodeConfig) error {
	cfg := Config{Nodes: nodes}
	var found findings
	cfg.checkNodes(&found)
	if err := refuse(found); err != nil {
		return fmt.Errorf("cannot update pool %q: %w", p.name, err)
	}
	ring := p.ringOf(nodes)
	p.control.Lock()
	defer p.control.Unlock()
	before := p.members.Load().nodes
	after, err := p.admit(nodes, p.members.Load().at)
	if err != nil {
		return fmt.Errorf("cannot update pool %q: %w", p.name, err)
	}
	was, stays := setOf(before), setOf(after)
	for i, n := range after {
		n.weight.Store(int64(nodes[i].Weight))
		n.allow(nodes[i].MaxInflight)
		n.stand()
		if !was[n] {
			n.late = true
			p.probing.start(p, n)
			p.log.Info("node joined", "pool", p.name, "node", n.address)
		}
	}
	p.members.Store(newMembers(after, ring))
	p.rebuild()
	for _, n := range before {
		if !stays[n] {
			p.log.Info("node leaves", "pool", p.name, "node", n.address, "in_flight", n.Inflight())
			n.retire()
		}
	}
	return nil
}

// setOf is for lists that may have thousands of nodes.
func setOf(nodes []*Node) map[*Node]bool {
	set := make(map[*Node]bool, len(nodes))
	for _, n := range nodes {
		set[n] = true
	}
	return set
}

// admit returns the nodes of that configuration: those of had, by canonical address, that are in it, and new ones. When one cannot join, those
// that have joined leave again.
func (p *Pool) admit(configs []NodeConfig, had map[string]*Node) ([]*Node, error) {
	nodes := make([]*Node, 0, len(configs))
	for _, cfg := range configs {
		canonical, err := hostport.Canonical(cfg.Address)
		if err != nil {
			return nil, err // checked before; a bug
		}
		n := had[canonical]
		if n == nil || n.protocol != protocolOf(cfg) {
			if n, err = p.newNode(canonical, cfg); err != nil {
				for _, joined := range nodes {
					if had[joined.canonical] != joined {
						joined.retire()
					}
				}
				return nil, fmt.Errorf("node %q: %w", cfg.Address, err)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func protocolOf(cfg NodeConfig) string {
	if cfg.Protocol == "" {
		return ProtocolHTTP
	}
	return cfg.Protocol
}

func (p *Pool) newNode(canonical string, cfg NodeConfig) (*Node, error) {
	n := &Node{pool: p, address: cfg.Address, canonical: canonical, protocol: protocolOf(cfg), wake: make(chan struct{}, 1)}
	n.weight.Store(int64(cfg.Weight))
	n.drained.Store(cfg.Drained)
	n.finder = newFinder()
	n.allow(cfg.MaxInflight)
	if p.probe == nil {
		n.state.Store(uint32(Up))
	}
	n.breaker.Store(p.newBreaker(p.cfg.Breaker.setback()))
	n.stand()
	n.turn.Store(p.random() % turnUnit) // else the gateways of a fleet, started together, take the same turns
	if p.join != nil {
		var err error
		if n.member, err = p.join(n, cfg); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// Drain keeps new attempts from the node at that address, as long as another one is fit, or lets it have them again. What it
// is working on is not touched.
func (p *Pool) Drain(address string, on bool) error {
	n, err := p.Find(address)
	if err != nil {
		return err
	}
	p.control.Lock()
	defer p.control.Unlock()
	if n.drained.Swap(on) != on {
		p.logDrain(n, on, "operator")
		p.changed(n)
	}
	return nil
}

// Find is the member at that address, however it is written.
func (p *Pool) Find(address string) (*Node, error) {
	canonical, err := hostport.Canonical(address)
	if err != nil {
		return nil, err
	}
	members := p.members.Load()
	if n := members.at[canonical]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("pool %q has no node %q: it has %s", p.name, address, members.list())
}

// listedMost is how many nodes people are told of at once.
const listedMost = 16

// list names the members, or the first of many.
func (m *members) list() string {
	var addresses []string
	for _, n := range m.nodes[:min(len(m.nodes), listedMost)] {
		addresses = append(addresses, n.address)
	}
	text := strings.Join(addresses, ", ")
	switch more := len(m.nodes) - len(addresses); {
	case len(m.nodes) == 0:
		return "none"
	case more > 0:
		return fmt.Sprintf("%s and %d more", text, more)
	}
	return text
}

// Goaway notes that the node said it is about to leave: it drains until a probe finds it ready that was sent later than
// this. Any goroutine may call it, but not Options.Leave or an Observer.
func (n *Node) Goaway() {
	if n.leaving.Load() {
		return
	}
	n.pool.control.Lock()
	defer n.pool.control.Unlock()
	if !n.leaving.Swap(true) {
		n.pool.logDrain(n, true, "node")
		n.pool.changed(n)
		n.poke()
	}
}

// stays takes back what Goaway noted.
func (n *Node) stays() {
	n.pool.control.Lock()
	defer n.pool.control.Unlock()
	if n.leaving.Swap(false) {
		n.pool.logDrain(n, false, "node")
		n.pool.changed(n)
	}
}

// retire makes the node a member no more. Whoever finds that it was the last to use it tells Options.Leave.
func (n *Node) retire() {
	n.pool.probing.stop(n)
	n.retired.Store(true)
	n.leaveIfIdle()
}

// leaveIfIdle tells Options.Leave, once, that nobody uses the node any more. A picker that still has an old snapshot counts
// itself in before it looks at retired, so either it sees that, or it is seen here.
func (n *Node) leaveIfIdle() {
	if n.inflight.Load() == 0 && n.left.CompareAndSwap(false, true) && n.pool.leave != nil {
		n.pool.leave(n.member)
	}
}
