package balancer

// Suspect notes that the node gives no sign of life, by the word of whoever has attempts waiting for it: a process that was stopped, a
// host or a link that is gone. It is picked only when there is hardly anybody else until Trust, which a good probe also is; one is
// sent at once. Any goroutine may call it, but not Options.Leave or an Observer.
func (n *Node) Suspect() { n.setSuspect(true) }

// Trust takes back what Suspect noted.
func (n *Node) Trust() { n.setSuspect(false) }

func (n *Node) setSuspect(suspect bool) {
	if n.suspect.Load() == suspect {
		return // the usual case, of every good probe
	}
	n.pool.control.Lock()
	defer n.pool.control.Unlock()
	if n.suspect.Swap(suspect) == suspect {
		return
	}
	n.pool.changed(n)
	if suspect {
		n.suspicions.Add(1)
		n.poke()
	}
}

// Members is how many nodes the pool has.
func (n *Node) Members() int { return len(n.pool.members.Load().nodes) }

// Spared reports whether another node of the pool is fit to take what waits for this one. When a whole pool falls silent, it is
// more likely that we are cut off, or that everybody stands still for a moment, than that each of them has died.
func (n *Node) Spared() bool {
	s := n.pool.common.fresh(n.pool.now()) // its best nodes, so that the first or second answers, or none is there
	for i := range s.groups {
		g := &s.groups[i]
		if g.standing >= draining {
			break
		}
		for j := range g.nodes {
			if other := g.nodes[j].node; other != n && other.footing() < draining.firm() {
				return true
			}
		}
	}
	return false
}
