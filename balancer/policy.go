package balancer

import "time"

// The names of the policies that gateway.toml may ask for.
const (
	RoundRobin       = "round_robin"
	Weighted         = "weighted"
	LeastConnections = "least_connections"
	LeastLoad        = "least_load"
	PeakEWMA         = "peak_ewma"
	ConsistentHash   = "consistent_hash"
)

// policyNames are the policies in the order in which people are told of them.
var policyNames = []string{RoundRobin, Weighted, LeastConnections, LeastLoad, PeakEWMA, ConsistentHash}

// policy chooses among nodes of one standing. It knows about shares and load; health, circuits and the network are the
// pool's business. It keeps its own state, if any, in atomics: choose is called from all goroutines at once, must neither
// wait nor allocate, and may be handed another group each time.
type policy interface {
	// choose returns the node for the next attempt, or nil if all nodes of the group were tried.
	choose(g *group, a ask) *Node
}

// ask is what a policy knows of the attempt.
type ask struct {
	key   uint64 // the same for requests that should meet the same node; 0 = any node will do
	tried Tried
	now   time.Duration // by the pool's clock; 0 unless the policy is timed
}

// bookkeeper is a policy that wants to know what became of its choices.
type bookkeeper interface {
	// granted is told of every lease, also of those that another policy or a trial led to. It returns how many requests of
	// others the node holds, as far as it knows.
	granted(n *Node, now time.Duration) (others int64)
	// returned is told of the end of each lease.
	returned(e ending)
}

// ending is the end of a lease.
type ending struct {
	node       *Node
	began, now time.Duration // by the pool's clock; 0 unless the policy is timed
	ahead      int64         // requests that the node held when it began, with this one, as far as anybody knows
	outcome    Outcome
}

// makings are what policies are made of.
type makings struct {
	nodes int
	ring  func() *ring // makes it when it is called first
	hash  HashConfig
	rand  func() uint64
}

// newPolicy makes the policy of that name, nil if there is none. timed = it needs the time, which costs as much as the rest
// of a pick.
func newPolicy(name string, m makings) (made policy, timed bool) {
	switch name {
	case RoundRobin:
		return new(roundRobin), false
	case Weighted:
		return new(weighted), false
	case LeastConnections:
		return newLeastConnections(m), false
	case LeastLoad:
		return newLeastLoad(m), true
	case PeakEWMA:
		return newPeakEWMA(m), true
	case ConsistentHash:
		return newConsistentHash(m), false
	}
	return nil, false
}
