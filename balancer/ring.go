package balancer

import (
	"cmp"
	"math/bits"
	"slices"

	"ganglion/internal/hostport"
)

const (
	// ringPoints is how many points a node of mean weight has on the ring. The part of the keys that a node gets strays by
	// about one in the root of that, 9 %, from its share.
	ringPoints = 128
	// ringWalk bounds the search for a node that is fit. In a pool of a thousand nodes it fails when nearly all are unfit.
	ringWalk = 256
)

// ring places nodes on a circle of hashes, many times each; a key belongs to the first one at or after its own hash.
// Whatever nodes come or go, only their own keys move. It depends on nothing but addresses and weights, so that all
// gateways, and a gateway before and after a restart, agree on who has a key: changing the hash is an incompatible change.
type ring struct {
	hashes []uint64 // of the points, in order
	nodes  []int32  // their nodes' places among the members
	first  []int32  // by the highest bits of a hash, the first point that is not below all hashes with those bits
	shift  int
}

func newRing(nodes []NodeConfig) *ring {
	sum := 0
	for _, n := range nodes {
		sum += n.Weight
	}
	type point struct {
		hash uint64
		node int32
	}
	var points []point
	for i, n := range nodes {
		if n.Weight == 0 {
			continue
		}
		seed := hashAddress(n.Address)
		for k := range max(1, ringPoints*len(nodes)*n.Weight/sum) {
			points = append(points, point{mix(seed + uint64(k)*goldenRatio), int32(i)})
		}
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.node, b.node)) })
	r := &ring{}
	for _, p := range points {
		r.hashes, r.nodes = append(r.hashes, p.hash), append(r.nodes, p.node)
	}
	r.index()
	return r
}

// index makes as many entries as there are points, so that the search begins one step from its end.
func (r *ring) index() {
	width := bits.Len(uint(len(r.hashes)))
	r.shift = 64 - width
	r.first = make([]int32, 1<<width)
	at := 0
	for b := range r.first {
		for at < len(r.hashes) && r.hashes[at]>>r.shift < uint64(b) {
			at++
		}
		r.first[b] = int32(at)
	}
}

// hashAddress is FNV-1a over the address in canonical form.
func hashAddress(address string) uint64 {
	if canonical, err := hostport.Canonical(address); err == nil {
		address = canonical
	}
	h := uint64(0xCBF29CE484222325)
	for i := range len(address) {
		h = (h ^ uint64(address[i])) * 0x100000001B3
	}
	return h
}

// find is the place of the key's first point.
func (r *ring) find(key uint64) int {
	h := mix(key)
	at := int(r.first[h>>r.shift])
	for at < len(r.hashes) && r.hashes[at] < h {
		at++
	}
	return at
}

// walk returns the first node of the group, from the key's point on, that may have the key; nil = there is none within
// ringWalk points.
func (r *ring) walk(g *group, key uint64, may func(*candidate) bool) *placement {
	if len(r.hashes) == 0 {
		return nil
	}
	at := r.find(key)
	for range min(ringWalk, len(r.hashes)) {
		if at >= len(r.hashes) {
			at = 0
		}
		c := g.member(r.nodes[at])
		if c != nil && may(c) {
			return c.place
		}
		at++
	}
	return nil
}

// member is the group's node with that place among the members, nil if it is not in the group.
func (g *group) member(at int32) *candidate {
	if int(at) < len(g.nodes) && g.nodes[at].at == at {
		return &g.nodes[at] // everybody is there
	}
	i, found := slices.BinarySearchFunc(g.nodes, at, func(c candidate, at int32) int { return int(c.at) - int(at) })
	if !found {
		return nil
	}
	return &g.nodes[i]
}
