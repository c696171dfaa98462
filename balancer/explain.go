package balancer

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Explanation is what a pick would do now, and why.
type Explanation struct {
	Policy string
	// Common reports that the model has no state of its own: it is one of those that nobody made known.
	Common bool
	// Sticks reports that the key alone decides, whatever the policy is.
	Sticks bool
	// Candidates are all members of the pool, in the order of the configuration.
	Candidates []Candidate
	// Picked is the node that the next pick would take, nil if there is none; Err says why: ErrNoNode or ErrFull.
	Picked *Node
	Err    error
	// Trial reports that the node is picked, without asking the policy, as the trial of its open circuit.
	Trial bool
	// Look reports the same of a request that finds out how a node is which is, or may be, an outlier.
	Look bool
	// Most is how many requests the picked node may hold with this one, if the attempt would be conditional; 0 = it would not, or
	// would say how long it may wait instead.
	Most int
	// Waiting is how many exchanges wait in the pool's queue. They go first, so that nothing is picked while there are any.
	Waiting int
	// Sampled reports that a pick looks at a random part of so many nodes, or trials, so that another pick may go elsewhere.
	Sampled bool
}

// Candidate is a node as a pick for the model sees it.
type Candidate struct {
	Node *Node
	// Standing is how gladly the node is picked, in a word. A pick takes from the best standing that has a node for it.
	Standing string
	// Chosen reports that the policy chooses among nodes of this standing now, and Passed that it passes over this one: it was
	// tried, or is at its limit. Out is all that keeps the node out or is to be said against it.
	Chosen bool
	Passed bool
	Out    []string
	// Score is what the policy makes of it; nil if the policy does not score, or the node is out.
	Score *Score
}

// Score is what a policy makes of a candidate. The lowest is picked; of those that share it, one after the other.
type Score struct {
	Value float64
	Unit  string
	Parts []Part // what it is made of
}

// Part is one thing that a score is made of.
type Part struct{ Name, Value string }

func (s *Score) add(name, format string, args ...any) {
	s.Parts = append(s.Parts, Part{name, fmt.Sprintf(format, args...)})
}

// addWeight tells of the weight if it is not 1.
func (s *Score) addWeight(c *candidate) {
	if c.weight != 1 {
		s.add("weight", "%d", c.weight)
	}
}

// Explain says what Pick would do for an attempt that has tried those nodes already, and why. It goes the way of Pick without
// taking a turn, a trial or a place. Among many goroutines the next pick may come from somebody else, after whom things are
// different.
func (m *Model) Explain(want Ask, tried *Tried) Explanation {
	if tried == nil {
		tried = new(Tried)
	}
	m.pool.control.Lock()
	defer m.pool.control.Unlock()
	now := m.pool.now()
	m.rebuild() // as the next pick would, or one soon
	m.hearAll(now)
	s := m.current.Load()
	e := Explanation{Policy: m.pool.cfg.Policy, Common: m.Common(), Sticks: want.Stick, Err: ErrNoNode}
	groups, by := s.groups, m.policy
	if want.Stick {
		groups, by = s.homes, &m.stuck
	}
	a := ask{bound: want.Bound, key: want.Key, now: now, tried: *tried, ring: s.ring, peek: new(peek)}
	chosen := e.choose(s, groups, by, &a)
	if e.Waiting = int(m.pool.queue.waiting.Load()); e.Waiting > 0 {
		e.Picked, e.Err, e.Trial, e.Look = nil, ErrFull, false, false
	}
	e.Most = m.expects(&e, chosen, &a)
	e.Sampled = chosen != nil && len(chosen.nodes) > fieldMost && !want.Stick || (e.Trial || e.Look) && len(s.trials) > fieldMost
	for _, n := range m.pool.members.Load().nodes {
		e.Candidates = append(e.Candidates, m.candidate(n, chosen, by, &a))
	}
	return e
}

// expects is Lease.Expects of the lease that would be granted.
func (m *Model) expects(e *Explanation, chosen *group, a *ask) int {
	p, ok := m.policy.(*leastLoad)
	if !ok || e.Picked == nil || e.Trial || e.Look || e.Sticks || len(chosen.nodes) < 2 || p.timely(chosen, a) {
		return 0
	}
	most, _ := e.Picked.expects(e.Picked.inflight.Load()+1+e.Picked.load.foreign(a.now), a.now)
	return most
}

// choose finds who would be picked, and the group that the policy chooses from.
func (e *Explanation) choose(s *snapshot, groups []group, by policy, a *ask) *group {
	if a.tried.Len() == 0 && !e.Sticks {
		e.tryTrials(s, a.now)
	}
	again := a.tried.Len() > 0 && !e.Sticks
	for i := range groups {
		g := &groups[i]
		a.worst, a.peek.turns = g.worst.shaky(), 0
		if again {
			a.worst &^= faltering
		}
		pl := by.choose(g, *a)
		if pl == nil && again {
			a.worst |= faltering
			pl = by.choose(g, *a)
		}
		if pl == nil && !g.any(a) {
			continue
		}
		switch {
		case e.Picked != nil: // the trial
		case pl == nil || e.Sticks && pl.node.full(): // somebody is waited for
			e.Err = ErrFull
		default:
			e.Picked, e.Err = pl.node, nil
		}
		return g
	}
	return nil
}

// tryTrials finds who is due for a trial, or for a request that finds out how an outlier is.
func (e *Explanation) tryTrials(s *snapshot, now time.Duration) {
	for _, pl := range s.trials {
		of := pl.node.breaker.Load()
		if of.circuit() == Closed {
			of = pl.breaker.Load()
		}
		trial, look := of.due(now), of.circuit() == Closed && pl.lookDue(now)
		if (trial || look) && !pl.node.full() {
			e.Picked, e.Err, e.Trial, e.Look = pl.node, nil, !look, look
			return
		}
	}
}

// candidate says how a pick sees the node. The caller holds Pool.control.
func (m *Model) candidate(n *Node, chosen *group, by policy, a *ask) Candidate {
	pl := m.place(n)
	st, _ := pl.standing(a.now)
	c := Candidate{Node: n, Standing: st.String(), Out: pl.why(a.now)}
	if a.tried.Has(n) {
		c.Passed = true
		c.Out = append(c.Out, "tried by this exchange")
	}
	if n.footing()&faltering != 0 {
		c.Out = append(c.Out, "did not answer its last attempt: retries go elsewhere")
	}
	if n.full() {
		c.Passed = true
		c.Out = append(c.Out, fmt.Sprintf("at its limit of %d", n.Limit()))
	}
	if chosen == nil {
		return c
	}
	at := slices.IndexFunc(chosen.nodes, func(c candidate) bool { return c.node == n })
	if at < 0 {
		if st < standings {
			c.Out = append(c.Out, "others are better off")
		}
		return c
	}
	c.Chosen = true
	if s, ok := by.(scorer); ok {
		score := s.explain(chosen, &chosen.nodes[at], a)
		c.Score = &score
	}
	return c
}

// String is the word for people.
func (st standing) String() string {
	words := [...]string{
		sound: "sound", hopeful: "not probed yet", ejected: "ejected", resting: "resting", draining: "draining",
		doubted: "circuit open", doubtedDraining: "circuit open, draining", suspected: "no sign of life", missing: "lacks the model", standings: "down",
	}
	return words[st]
}

// why is everything that keeps the placement from being sound.
func (pl *placement) why(now time.Duration) (reasons []string) {
	n := pl.node
	say := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	if n.State() == Down {
		if cause := n.cause.Load(); cause != nil {
			say("down: %s", strings.TrimSpace(*cause))
		} else {
			say("down")
		}
	}
	if n.State() == Unknown {
		say("not probed yet")
	}
	if n.suspect.Load() {
		say("gives no sign of life")
	}
	if c := n.Circuit(); c != Closed {
		say("circuit %s for all models, trial %s", c, n.breaker.Load().trialIn(now))
	}
	if b := pl.breaker.Load(); b.circuit() != Closed {
		say("circuit %s for this model, trial %s", b.circuit(), b.trialIn(now))
	}
	if pl.ejected.Load() {
		say("ejected as an outlier, %s", pl.conduct.Load().verdict)
	}
	if until, yes := pl.lacks(now); yes {
		say("lacks the model, for %s more unless a probe finds it", round(until-now))
	}
	if until, yes := pl.resting(now); yes {
		say("asked to be left alone for %s more", round(until-now))
	}
	return append(reasons, n.whyDraining()...)
}

// whyDraining is why the node gets nothing new while others are fit.
func (n *Node) whyDraining() (reasons []string) {
	if n.weight.Load() == 0 {
		reasons = append(reasons, "draining: weight 0")
	}
	if n.drained.Load() {
		reasons = append(reasons, "draining: by an operator")
	}
	if n.leaving.Load() {
		reasons = append(reasons, "draining: by its own word")
	}
	return reasons
}

// trialIn is when the circuit may have its next trial.
func (b *breaker) trialIn(now time.Duration) string {
	switch {
	case b.trialOut.Load():
		return "under way"
	case b.due(now):
		return "due"
	}
	return "in " + round(max(0, time.Duration(b.trialAt.Load())-now)).String()
}

// round leaves of a time what people read.
func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
