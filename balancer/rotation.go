package balancer

import (
	"slices"
	"sync/atomic"
)

// rotation counts the turns of a group whose nodes take them one after the other: place by place, round by round. It belongs to
// the group and goes on in the group that takes its place, at the same node. A counter that knows nothing of the group, and
// is taken modulo its size, would jump when a node dies: by as many places as there were rounds, which is as many in all gateways.
// In the simulation (bench/sim) where 8 of 64 nodes die at once, one after the other leaving the groups of 8 gateways, every jump
// went on to the same nodes: p99 was 6.6 times the ideal's.
type rotation struct{ turns atomic.Uint64 }

// place is whose turn it is in a group of n nodes.
func (r *rotation) place(n int) int { return int(r.turns.Load() % uint64(n)) }

// rotate gives the group its rotation: that of the group in whose place it comes, from the same node on, or from the next that is
// still there.
func (g *group) rotate(before *snapshot) {
	g.rotation = new(rotation)
	old := before.group(g.standing)
	if old == nil {
		return
	}
	at := old.rotation.place(len(old.nodes))
	next, _ := slices.BinarySearchFunc(g.nodes, old.nodes[at].at, func(c candidate, at int32) int { return int(c.at) - int(at) })
	round := old.rotation.turns.Load() / uint64(len(old.nodes))
	g.rotation.turns.Store(round*uint64(len(g.nodes)) + uint64(next)) // the last place and one more is the first of the next round
}

// group is the one of that standing, nil if there is none.
func (s *snapshot) group(st standing) *group {
	if s == nil {
		return nil
	}
	for i := range s.groups {
		if g := &s.groups[i]; g.standing == st {
			return g
		}
	}
	return nil
}
