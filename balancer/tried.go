package balancer

import "slices"

// triedInline is how many nodes a Tried holds without allocating. Two attempts are the default; beyond four, what a
// small slice costs disappears behind what the failed attempts have cost.
const triedInline = 4

// Tried is the set of nodes that one exchange has tried. The zero value is the empty set. It holds any number of nodes,
// and looking one up takes time in proportion to the attempts made, not to the pool.
type Tried struct {
	first [triedInline]*Node
	more  []*Node
	count int

	declines int // attempts that a node did not take, for which it does not count as tried
}

// Len is the number of nodes tried.
func (t *Tried) Len() int { return t.count }

// Has reports whether the node was tried.
func (t *Tried) Has(n *Node) bool {
	return slices.Contains(t.first[:min(t.count, triedInline)], n) || slices.Contains(t.more, n)
}

// Add makes the node count as tried. Pick does it for the node it leases; adding a node twice is adding it once.
func (t *Tried) Add(n *Node) {
	if t.Has(n) {
		return
	}
	if t.count < triedInline {
		t.first[t.count] = n
	} else {
		t.more = append(t.more, n)
	}
	t.count++
}

// decline takes a node out again that did not take the attempt.
func (t *Tried) decline(n *Node) {
	t.declines++
	if !t.Has(n) {
		return
	}
	t.count--
	last := t.at(t.count)
	for i := range t.count {
		if at := t.at(i); *at == n {
			*at = *last
			break
		}
	}
	if *last = nil; t.count >= triedInline {
		t.more = t.more[:t.count-triedInline]
	}
}

// at is where the node is kept that was the i-th to be tried.
func (t *Tried) at(i int) **Node {
	if i < triedInline {
		return &t.first[i]
	}
	return &t.more[i-triedInline]
}
