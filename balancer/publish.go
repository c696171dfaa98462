package balancer

import "time"

// rebuildPause is the least time between two snapshots of a large pool, for each of its nodes. A thousand nodes that die, or all say
// that they are full, would else have the gateway do nothing but tell its pickers of one after the other. A snapshot takes 50 ns
// for each of a thousand nodes and 90 for each of ten thousand, so that all changes of a pool together take a tenth of a core at
// most, and among a thousand nodes are known within a millisecond. What must not wait, nodes that have become worse, pickers see at
// the nodes (Node.stands).
const rebuildPause = time.Microsecond

// pause is the time between two snapshots: none in a pool whose nodes a pick compares all.
func (p *Pool) pause() time.Duration {
	nodes := len(p.members.Load().nodes)
	if nodes <= fieldMost {
		return 0
	}
	return time.Duration(nodes) * rebuildPause
}

// changed publishes what has become of a node. The caller holds p.control.
func (p *Pool) changed(n *Node) {
	n.stand()
	for m := range p.models {
		m.changed()
	}
}

// changed publishes what has become of the model on a node: at once, or in a large pool with the next pick when enough time has
// passed since the last snapshot, together with all that changes until then. Models that nobody picks for cost nothing there.
// The caller holds Pool.control.
func (m *Model) changed() {
	p := m.pool
	if p.pause() == 0 {
		m.rebuild()
		return
	}
	m.due.Store(min(m.due.Load(), int64(p.quiet)))
	p.queue.stir()
}

// publish is changed for who does not hold Pool.control.
func (m *Model) publish() {
	m.pool.control.Lock()
	defer m.pool.control.Unlock()
	m.changed()
}

// fresh is what picks read, as it should be now.
func (m *Model) fresh(now time.Duration) *snapshot {
	if int64(now) >= m.due.Load() {
		m.refresh(now)
	}
	return m.current.Load()
}

// refresh publishes what time or others have changed. One of the pickers who see that it is due does it, and allocates for it; the
// others go on with what there is.
func (m *Model) refresh(now time.Duration) {
	p := m.pool
	if !p.control.TryLock() {
		return
	}
	defer p.control.Unlock()
	if int64(now) < m.due.Load() {
		return // somebody else was quicker
	}
	if now < p.quiet { // another model's turn was just now
		m.due.Store(int64(p.quiet))
		return
	}
	m.rebuild()
	p.quiet = now + p.pause()
}
