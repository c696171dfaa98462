package balancer

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoNode means that the pool has no node for this attempt: all are down, or this exchange has tried those that are
// not.
var ErrNoNode = errors.New("no node is fit to take the attempt")

// Options are what a pool needs from outside.
type Options struct {
	// Probe asks a node whether it is ready. Nil = nobody asks, and all nodes count as up.
	Probe Probe
	// Observe is told every change of a node. Nil = nobody watches.
	Observe Observer
	// Log gets a line for every change of a node. Nil = none.
	Log *slog.Logger
	// Now is the clock by which loads, latencies and budgets age. It must not go backwards. Nil = time.Now. The windows and
	// open times of breakers always go by time.Now, since gobreaker has no other.
	Now func() time.Time
	// Rand gives the random numbers of the policies. It is called from all goroutines at once. Nil = math/rand/v2. With
	// Now and Rand of its own, and one goroutine, a pool does the same every time.
	Rand func() uint64
}

// Pool spreads attempts over nodes that serve the same models. Make it with New.
type Pool struct {
	name     string
	nodes    []*Node
	policy   policy
	timed    bool       // the policy needs the time
	books    bookkeeper // the policy, if it is one
	stuck    stuck
	retries  *budget
	attempts int

	slowStart time.Duration
	health    HealthConfig
	breaker   BreakerConfig
	probe     Probe
	observe   Observer
	log       *slog.Logger
	now       func() time.Duration // since the pool was made; a duration fits into an atomic, a time.Time does not

	current atomic.Pointer[snapshot]

	control sync.Mutex // orders changes: guards the building of snapshots and what the nodes say it does
}

// New makes the pool that cfg describes, which must hold its defaults (see Config.SetDefaults). It starts nothing; the
// error names everything that Config.Check would refuse.
func New(name string, cfg Config, opt Options) (*Pool, error) {
	if found := cfg.problems(); len(found) > 0 {
		texts := make([]string, len(found))
		for i, f := range found {
			texts[i] = f.key + ": " + f.text
		}
		return nil, fmt.Errorf("cannot make pool %q: %s", name, strings.Join(texts, "; "))
	}
	p := &Pool{
		name: name, attempts: cfg.Retry.Attempts, health: cfg.Health, breaker: cfg.Breaker,
		probe: opt.Probe, observe: opt.Observe, log: opt.Log, now: opt.clock(),
		slowStart: cfg.SlowStart, stuck: stuck{sync.OnceValue(func() *ring { return newRing(cfg.Nodes) })},
	}
	p.policy, p.timed = newPolicy(cfg.Policy, makings{nodes: len(cfg.Nodes), ring: p.stuck.ring, hash: cfg.Hash, rand: opt.random()})
	p.books, _ = p.policy.(bookkeeper)
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.retries = newBudget(cfg.Retry, p.now)
	for i, nc := range cfg.Nodes {
		p.nodes = append(p.nodes, p.newNode(i, nc))
	}
	p.current.Store(p.snapshot())
	return p, nil
}

func (p *Pool) newNode(index int, cfg NodeConfig) *Node {
	n := &Node{pool: p, address: cfg.Address, index: index, weight: cfg.Weight, wake: make(chan struct{}, 1)}
	if p.probe == nil {
		n.state.Store(uint32(Up))
	}
	n.breaker.Store(newBreaker(p.breaker, p.now))
	return n
}

// clock is the time since now.
func (o *Options) clock() func() time.Duration {
	if o.Now == nil {
		made := time.Now()
		return func() time.Duration { return time.Since(made) } // half of what time.Now costs
	}
	now, made := o.Now, o.Now()
	return func() time.Duration { return now().Sub(made) }
}

func (o *Options) random() func() uint64 {
	if o.Rand == nil {
		return rand.Uint64
	}
	return o.Rand
}

// Name is the pool's name in gateway.toml.
func (p *Pool) Name() string { return p.name }

// Attempts is how many attempts one exchange may make, the first included.
func (p *Pool) Attempts() int { return p.attempts }

// Pick leases a node for one attempt and adds it to tried, or returns ErrNoNode. It never picks a node that is down or was
// tried by this exchange. The attempt of an exchange that has tried nothing is its first; it feeds the retry budget. A nil
// tried is that of an exchange that makes one attempt only. The key is the same for requests that should meet the same
// node, for a policy that cares; 0 is no key.
//
// Pick takes no lock and never waits. It allocates only when it grants a trial (closures for gobreaker), when tried
// outgrows the few nodes it holds in place, and for each step of a node that starts slowly.
func (p *Pool) Pick(key uint64, tried *Tried) (Lease, error) {
	if tried == nil {
		tried = new(Tried)
	}
	s, now := p.look()
	if tried.Len() == 0 && len(s.trials) > 0 {
		if n, b, report := s.trial(); n != nil {
			ahead := p.granted(n, tried, now)
			return Lease{node: n, breaker: b, trial: report, began: now, ahead: ahead}, nil
		}
	}
	return p.lease(s, p.policy, ask{key: key, now: now}, tried)
}

// Stick is Pick for a request of a sequence, which must meet the node that had the others: the key alone decides, whatever
// the policy is and however busy that node is, as long as it is fit and was not tried. The first of all waits until the
// places of keys have been worked out, some milliseconds for a thousand nodes.
func (p *Pool) Stick(key uint64, tried *Tried) (Lease, error) {
	if tried == nil {
		tried = new(Tried)
	}
	s, now := p.look()
	return p.lease(s, &p.stuck, ask{key: key, now: now}, tried)
}

// look is what a pick goes by: the nodes, and the time if anybody needs it.
func (p *Pool) look() (*snapshot, time.Duration) {
	s := p.current.Load()
	if !p.timed && s.climbs == 0 {
		return s, 0
	}
	now := p.now()
	if s.climbs != 0 && now >= s.climbs {
		p.climb()
		s = p.current.Load()
	}
	return s, now
}

// lease lets the policy choose among the nodes of the best standing that has any.
func (p *Pool) lease(s *snapshot, by policy, a ask, tried *Tried) (Lease, error) {
	a.tried = *tried
	for i := range s.groups {
		if n := by.choose(&s.groups[i], a); n != nil {
			ahead := p.granted(n, tried, a.now)
			b := n.breaker.Load()
			return Lease{node: n, breaker: b, seen: b.mirror.Load(), began: a.now, ahead: ahead}, nil
		}
	}
	return Lease{}, ErrNoNode
}

// granted keeps the books of one lease.
func (p *Pool) granted(n *Node, tried *Tried, now time.Duration) (ahead int64) {
	if tried.Len() == 0 {
		p.retries.deposit()
	}
	tried.Add(n)
	ahead = n.inflight.Add(1)
	if p.books != nil {
		ahead += p.books.granted(n, now)
	}
	return ahead
}

// returned keeps the books of the end of one.
func (p *Pool) returned(l *Lease, o Outcome) {
	l.node.count(o)
	if p.books == nil {
		return
	}
	var now time.Duration
	if p.timed {
		now = p.now()
	}
	if l.untimed {
		o = Neutral
	}
	p.books.returned(ending{node: l.node, began: l.began, now: now, ahead: l.ahead, outcome: o})
}

// Retry takes one retry out of the pool's budget. False = the budget is spent, and the exchange answers with what it has.
func (p *Pool) Retry() bool { return p.retries.take() }

// Ready reports whether the pool has a node that is up. Nodes nobody has probed yet do not count: who asks for readiness
// wants to know, while who has a request would rather try.
func (p *Pool) Ready() bool {
	return slices.ContainsFunc(p.nodes, func(n *Node) bool { return n.State() == Up })
}

// Nodes is the state of every node, in the order of the configuration.
func (p *Pool) Nodes() []NodeStatus {
	statuses := make([]NodeStatus, len(p.nodes))
	for i, n := range p.nodes {
		statuses[i] = n.status()
	}
	return statuses
}

// RetryAfter is when a client that met ErrNoNode may find a node: the time in which a node that is ready again is noticed.
func (p *Pool) RetryAfter() time.Duration {
	return p.health.Interval + time.Duration(p.health.Rise-1)*p.health.DoubtInterval
}
