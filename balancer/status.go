package balancer

import (
	"cmp"
	"slices"
	"time"
)

// NodeStatus is one node at one moment, for metrics and people.
type NodeStatus struct {
	Node     *Node
	Address  string
	Weight   int
	State    State
	Circuit  Circuit // of its own breaker
	Drained  bool    // by an operator
	Leaving  bool    // by its own word
	Suspect  bool    // it gives no sign of life
	Inflight int64
	Limit    int64 // of Inflight; 0 = none
	Found    int64 // the limit that admission has found, in force or not; 0 = none
	// Attempts is the number of leases granted since the node joined: those in flight and those that were reported as one
	// of the following.
	Attempts, Successes, Failures, Faults, Neutral uint64
	// Suspicions is how often the node was found to give no sign of life.
	Suspicions uint64
	// Load is what the node said of itself last.
	Load Load
	// Cause is what the last probe complained about, "" when it was content.
	Cause string
	// Models are the models on it that it was asked for, or of which there is something else to say: the common one, with an
	// empty name, and then known ones, by name.
	Models []ModelStatus
}

// ModelStatus is one model on one node at one moment.
type ModelStatus struct {
	Model   string
	Circuit Circuit // of its own breaker on this node
	Ejected bool
	// Why it is ejected; zero if it is not.
	Why       Ejection
	Ejections uint64 // since the node joined
	Missing   bool
	Rest      time.Duration // for how long it will be left alone; 0 = it is not
	Rests     uint64        // times that it asked for that

	Successes, Failures, Faults, Neutral uint64
}

// Models are the models that the pool knows, the common one first and then by name.
func (p *Pool) Models() []*Model {
	models := slices.Collect(p.models)
	slices.SortFunc(models, func(a, b *Model) int { return cmp.Compare(a.name, b.name) })
	return models
}

// Nodes is the state of every node, in the order of the configuration.
func (p *Pool) Nodes() []NodeStatus {
	p.control.Lock()
	defer p.control.Unlock()
	nodes := p.members.Load().nodes
	models := p.Models()
	statuses := make([]NodeStatus, len(nodes))
	for i, n := range nodes {
		statuses[i] = n.status()
		for _, m := range models {
			if s := m.place(n).status(); s.Asked() || s.Ejected || s.Missing || s.Rest > 0 {
				statuses[i].Models = append(statuses[i].Models, s)
			}
		}
	}
	return statuses
}

func (n *Node) status() NodeStatus {
	s := NodeStatus{
		Node: n, Address: n.address, Weight: n.Weight(),
		State: n.State(), Circuit: n.Circuit(), Drained: n.drained.Load(), Leaving: n.leaving.Load(),
		Suspect: n.suspect.Load(), Suspicions: n.suspicions.Load(),
		Inflight: n.Inflight(), Limit: n.Limit(), Found: n.found.Load(),
		Successes: n.successes.Load(), Failures: n.failures.Load(), Faults: n.faults.Load(), Neutral: n.neutral.Load(),
		Load: n.Load(),
	}
	s.Attempts = uint64(max(0, s.Inflight)) + s.Successes + s.Failures + s.Faults + s.Neutral
	if cause := n.cause.Load(); cause != nil {
		s.Cause = *cause
	}
	return s
}

func (pl *placement) status() ModelStatus {
	now := pl.model.pool.now()
	s := ModelStatus{
		Model: pl.model.name, Circuit: pl.breaker.Load().circuit(), Ejected: pl.ejected.Load(),
		Rests:     pl.rested.Load(),
		Successes: pl.successes.Load(), Failures: pl.failures.Load(), Faults: pl.faults.Load(), Neutral: pl.neutral.Load(),
	}
	if c := pl.conduct.Load(); c != nil {
		s.Why, s.Ejections = c.verdict, c.ejections.Load()
	}
	if until, yes := pl.resting(now); yes {
		s.Rest = until - now
	}
	_, s.Missing = pl.lacks(now)
	return s
}

// Asked reports whether an attempt for the model has ended on the node.
func (s *ModelStatus) Asked() bool { return s.Successes+s.Failures+s.Faults+s.Neutral > 0 }
