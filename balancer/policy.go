package balancer

import (
	"slices"
	"sync/atomic"
	"time"
)

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

// Policies are the names of the policies, in the order in which people are told of them.
func Policies() []string { return slices.Clone(policyNames) }

// policy chooses among nodes of one standing. It knows about shares and load; health, circuits and the network are the
// pool's business. It keeps its own state, if any, in atomics: choose is called from all goroutines at once, must neither
// wait nor allocate, and may be handed another group each time.
type policy interface {
	// choose returns where the next attempt goes, or nil if no node of the group fits: all were tried or are full.
	choose(g *group, a ask) *placement
}

// ask is what a policy knows of the attempt.
type ask struct {
	key   uint64 // the same for requests that should meet the same node; 0 = any node will do
	tried Tried
	bound bool
	now   time.Duration // by the pool's clock
	worst footing       // of the candidates as they are now: who has become worse since the snapshot is passed by
	ring  func() *ring  // whose places are those of the candidates; makes it when it is called first
	peek  *peek         // not nil: it only looks who would be chosen, and takes no turn
}

// may reports whether the attempt may wait for the candidate: it was not tried, and has not become worse.
func (a *ask) may(c *candidate) bool {
	return c.node.footing() <= a.worst && (a.tried.Len() == 0 || !a.tried.Has(c.node))
}

// fits reports whether the candidate may take the attempt: it may, and has room.
func (a *ask) fits(c *candidate) bool { return a.may(c) && !c.node.full() }

// peek counts the turns that an attempt would have taken, if it were one.
type peek struct{ turns uint64 }

// take takes the next turn. An attempt that only looks leaves it to others.
func (a *ask) take(r *rotation) uint64 {
	if a.peek == nil {
		return r.turns.Add(1) - 1
	}
	a.peek.turns++
	return r.turns.Load() + a.peek.turns - 1
}

// next is the turn that comes next.
func (a *ask) next(r *rotation) uint64 {
	if a.peek == nil {
		return r.turns.Load()
	}
	return r.turns.Load() + a.peek.turns
}

// move takes all turns from one on and up to another, which it leaves to the next. It reports false if somebody else has taken
// some of them meanwhile.
func (a *ask) move(r *rotation, from, to uint64) bool {
	if a.peek == nil {
		return r.turns.CompareAndSwap(from, to)
	}
	a.peek.turns += to - from
	return true
}

// scorer is a policy that takes the candidate with the lowest score, or that can at least say what it thinks of one. What
// people are told (see [Model.Explain]) is made of what choose goes by.
type scorer interface {
	explain(g *group, c *candidate, a *ask) Score
}

// bookkeeper is a policy that wants to know what became of its choices.
type bookkeeper interface {
	// granted is told of every lease, also of those that another policy or a trial led to. It returns how many requests of
	// others the node holds, as far as it knows.
	granted(pl *placement, now time.Duration) (others int64)
	// returned is told of the end of each lease.
	returned(e ending)
}

// ending is the end of a lease.
type ending struct {
	place      *placement
	began, now time.Duration // by the pool's clock
	ahead      int64         // requests that the node held when it began, with this one, as far as anybody knows
	outcome    Outcome
}

// makings are what policies are made of.
type makings struct {
	hash     HashConfig
	rand     func() uint64
	inflight *atomic.Int64 // of the whole pool; whoever needs it counts it
	turns    *turns        // of the whole pool
}

// newPolicy makes the policy of that name, nil if there is none. Each model has one of its own.
func newPolicy(name string, m makings) policy {
	switch name {
	case RoundRobin:
		return new(roundRobin)
	case Weighted:
		return new(weighted)
	case LeastConnections:
		return newLeastConnections(m)
	case LeastLoad:
		return newLeastLoad(m)
	case PeakEWMA:
		return newPeakEWMA(m)
	case ConsistentHash:
		return newConsistentHash(m)
	}
	return nil
}
