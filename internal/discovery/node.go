package discovery

import (
	"cmp"
	"slices"
)

// Bounds of a list.
const (
	// maxNodes bounds what one source may bring: ten times the largest pool that the balancer is measured with, and 2 MB of
	// nodes. More is a mistake of whoever wrote the record or the file.
	maxNodes = 10_000
	// maxWeight is the balancer's.
	maxWeight = 256
)

// Node is one node as a source names it.
type Node struct {
	Address  string // "host:port", canonical
	Weight   int    // 0 to 256; 0 = it drains
	Protocol string // "http" or "grpc"; "" = as the pool's table says
}

// byAddress brings a list into the order by which lists are compared, each address once: the first of equal ones counts.
func byAddress(nodes []Node) []Node {
	slices.SortStableFunc(nodes, func(a, b Node) int { return cmp.Compare(a.Address, b.Address) })
	return slices.CompactFunc(nodes, func(a, b Node) bool { return a.Address == b.Address })
}

// difference counts what changed between two lists that are in order.
func difference(old, now []Node) (joined, left, altered int) {
	i, j := 0, 0
	for i < len(old) && j < len(now) {
		switch c := cmp.Compare(old[i].Address, now[j].Address); {
		case c < 0:
			left++
			i++
		case c > 0:
			joined++
			j++
		default:
			if old[i] != now[j] {
				altered++
			}
			i++
			j++
		}
	}
	return joined + len(now) - j, left + len(old) - i, altered
}
