package balancer

// The names of the policies that gateway.toml may ask for.
const (
	RoundRobin       = "round_robin"
	Weighted         = "weighted"
	LeastConnections = "least_connections"
)

// policy chooses among nodes of one standing. It knows about shares and load; health, circuits and the network are the
// pool's business. It keeps its own state, if any, in atomics: choose is called from all goroutines at once, must neither
// wait nor allocate, and may be handed another group each time.
type policy interface {
	// choose returns the node for the next attempt, or nil if all nodes of the group were tried. The key is the same for
	// requests that should meet the same node, if the policy cares.
	choose(g *group, key uint64, tried Tried) *Node
}

// policies are the policies of this version by name.
var policies = map[string]func() policy{
	RoundRobin:       func() policy { return new(roundRobin) },
	Weighted:         func() policy { return new(weighted) },
	LeastConnections: func() policy { return new(leastConnections) },
}
