package balancer

import (
	"errors"
	"maps"
	"math"
	"strings"
	"sync/atomic"
	"time"
)

// knownMost bounds the models of a pool that have state of their own. A gateway with more of them would do better with more
// pools; the rest share the common model's state.
const knownMost = 1024

// placesMost bounds the placements of a pool, each of about a kilobyte: 128 models on a thousand nodes.
const placesMost = 128 << 10

// nameMost bounds the names that a pool remembers.
const nameMost = 512

// Model is one model as a pool serves it: which nodes are fit for it, and what the policy knows of them. The pool's common
// Model stands for all that are not known by name.
type Model struct {
	pool        *Pool
	name        string // "" = the common one
	policy      policy
	books       bookkeeper // the policy, if it is one
	stuck       stuck
	conditional bool      // the policy knows what others send, so that attempts may be conditional
	late        *quantile // of first attempts; nil = the pool does not hedge

	current atomic.Pointer[snapshot]
	due     atomic.Int64 // when current should be made anew, by the pool's clock: written under Pool.control

	// Under Pool.control.
	places  map[*Node]*placement
	lined   []*placement // those of linedUp, in their order
	linedUp *members

	outliers outliers     // under Pool.control
	judgeAt  atomic.Int64 // when outliers are looked for next, by the pool's clock
}

// Ask is what the picker knows of an attempt.
type Ask struct {
	// Key is the same for requests that should meet the same node, for a policy that cares; 0 is no key.
	Key uint64
	// Stick makes the key alone decide, whatever the policy is and however busy its node is, as long as that is fit and was
	// not tried: for a request of a sequence, which must meet the node that had the others.
	Stick bool
	// Willing leaves out the nodes that rest, and those that are only picked when nothing better is left: for a request that
	// another node has just refused. Asking one that wants to be left alone would make a bad moment worse.
	Willing bool
	// Bound means that the node has to take the attempt whatever it holds, since the request is not sent with a condition. So it is not
	// sent for a run that may have begun before it is there.
	Bound bool
}

// newModel makes a model of the members as they are. The caller holds p.control, or nobody else has p yet.
func (p *Pool) newModel(name string) *Model {
	m := &Model{pool: p, name: name, places: map[*Node]*placement{}, late: p.late()}
	m.policy = newPolicy(p.cfg.Policy, makings{hash: p.cfg.Hash, rand: p.random, inflight: &p.inflight, turns: &p.turns})
	m.books, _ = m.policy.(bookkeeper)
	_, m.conditional = m.policy.(*leastLoad)
	m.outliers.cfg = p.cfg.Outlier
	if !m.outliers.cfg.on() {
		m.judgeAt.Store(math.MaxInt64)
	}
	m.rebuild()
	return m
}

// Model is the model of that name, or the common one if nobody has made it known. It takes no lock.
func (p *Pool) Model(name string) *Model {
	if m, ok := (*p.known.Load())[name]; ok {
		return m
	}
	return p.common
}

// Know makes a model known, so that what happens to it on a node counts for it alone. A pool knows 1024 models, or fewer
// if it has more than 128 nodes; for one more, and for a name beyond 512 bytes, it returns the common one. The name is copied.
func (p *Pool) Know(name string) *Model {
	if m := p.Model(name); m != p.common || name == "" || len(name) > nameMost || p.knowsEnough() {
		return m
	}
	p.control.Lock()
	defer p.control.Unlock()
	if m := p.Model(name); m != p.common || p.knowsEnough() {
		return m // somebody else was quicker
	}
	known := *p.known.Load()
	name = strings.Clone(name)
	grown := maps.Clone(known)
	grown[name] = p.newModel(name)
	p.known.Store(&grown)
	return grown[name]
}

// knowsEnough reports whether the pool can know no further model.
func (p *Pool) knowsEnough() bool {
	known := len(*p.known.Load())
	return known >= knownMost || (known+1)*len(p.members.Load().nodes) > placesMost
}

// models yields the common model and then all that are known, in no order.
func (p *Pool) models(yield func(*Model) bool) {
	if p.common != nil && !yield(p.common) {
		return
	}
	for _, m := range *p.known.Load() {
		if !yield(m) {
			return
		}
	}
}

// rebuild makes the pool as it is now what picks read. The caller holds p.control.
func (p *Pool) rebuild() {
	for m := range p.models {
		m.rebuild()
	}
}

// Name is what Know was given, "" for the common model.
func (m *Model) Name() string { return m.name }

// Common reports whether the model stands for all that are not known.
func (m *Model) Common() bool { return m.name == "" }

// Pool is whose model it is.
func (m *Model) Pool() *Pool { return m.pool }

// Pick leases a node for one attempt and adds it to tried, or returns ErrNoNode or ErrFull. It never picks a node that is
// down, was tried by this exchange, or is at its limit. The attempt of an exchange that has tried nothing is its first; it
// feeds the retry budget. A nil tried is that of an exchange that makes one attempt only.
//
// Pick takes no lock and never waits, except that the first pick with Stick works out the places of keys, some milliseconds
// for a thousand nodes. It allocates only when it grants a trial (closures for gobreaker), when tried outgrows the few
// nodes it holds in place, and when the time has come for what nodes may get to change: a step of a slow start, the end of
// a rest, a judgement that finds an outlier, and whatever happens to a node of a large pool.
func (m *Model) Pick(a Ask, tried *Tried) (l Lease, err error) {
	if tried == nil {
		tried = new(Tried)
	}
	if m.pool.queue.waiting.Load() > 0 {
		err = ErrFull // those who wait were there first
		return
	}
	err = m.take(&l, a, tried)
	return // by name: a lease is not copied
}

// take is Pick for whose turn it is.
func (m *Model) take(l *Lease, a Ask, tried *Tried) error {
	for {
		s, now := m.look()
		l.began, l.ask = now, a
		if err := m.lease(l, s, a, tried, sound); !errors.Is(err, errMoved) {
			return err
		}
	}
}

// Another reports whether the model has a node that was not tried and that nothing is to be said against.
func (m *Model) Another(tried *Tried) bool {
	s := m.fresh(m.pool.now())
	for i := range s.groups {
		if g := &s.groups[i]; g.standing < ejected && g.any(&ask{tried: *tried, worst: g.worst.shaky()}) {
			return true
		}
	}
	return false
}

// look is what a pick goes by: the nodes, and the time.
func (m *Model) look() (*snapshot, time.Duration) {
	now := m.pool.now()
	if int64(now) >= m.due.Load() {
		m.refresh(now)
	}
	s := m.current.Load()
	if int64(now) >= m.judgeAt.Load() {
		m.judge(now)
		s = m.current.Load()
	}
	return s, now
}

// lease lets the policy choose among the nodes of the best standing that has any that was not tried. Those that have become worse
// since the snapshot are passed by, but for those that are no worse by now than what is allowed.
func (m *Model) lease(l *Lease, s *snapshot, a Ask, tried *Tried, allowed standing) error {
	if tried.Len() == 0 && len(s.trials) > 0 && !a.Stick && s.trial(l) {
		l.among = 1
		m.pool.granted(l, tried)
		return nil
	}
	groups, by := s.groups, m.policy
	if a.Stick {
		groups, by = s.homes, &m.stuck
	}
	want := ask{key: a.Key, now: l.began, tried: *tried, ring: s.ring, bound: a.Bound}
	again := want.tried.Len() > 0 && !a.Stick
	for i := range groups {
		g := &groups[i]
		if a.Willing && g.standing >= resting {
			return ErrNoNode
		}
		want.worst = max(g.worst, allowed).shaky()
		if again {
			want.worst &^= faltering
		}
		pl := by.choose(g, want)
		if pl == nil && again {
			want.worst |= faltering
			pl = by.choose(g, want)
		}
		for pl != nil && !pl.node.reserve() {
			if pl.node.retired.Load() {
				return errMoved
			}
			if a.Stick {
				return ErrFull // nobody else will do
			}
			pl = by.choose(g, want) // somebody else was quicker; full nodes are passed over
		}
		if pl != nil {
			l.to(pl)
			l.among = len(g.nodes)
			l.chosen = m.conditional && !a.Stick
			m.pool.granted(l, tried)
			return nil
		}
		if g.any(&want) {
			return ErrFull
		}
	}
	if allowed < worstPicked {
		return m.lease(l, s, a, tried, worstPicked) // rather one that has become worse than nobody
	}
	return ErrNoNode
}
