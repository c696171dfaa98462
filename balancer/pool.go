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

var (
	// ErrNoNode means that the pool has no node for this attempt: all are down, or this exchange has tried those that are
	// not.
	ErrNoNode = errors.New("no node is fit to take the attempt")
	// ErrFull means that the nodes that should take this attempt are all at their limit. Each of them has a lease that will
	// end, so that waiting helps.
	ErrFull = errors.New("every fit node is at its limit")
)

// Options are what a pool needs from outside.
type Options struct {
	// Probe asks a node whether it is ready. Nil = nobody asks, and all nodes count as up.
	Probe Probe
	// Join is told of every node that becomes a member, before anybody can pick it, and makes what Node.Member returns. Its
	// error is that of New or Update. Nil = members have nothing.
	Join func(n *Node, cfg NodeConfig) (member any, err error)
	// Leave is told of every member that is none any more, once its last lease is done. It must be quick, since a client may
	// be waiting, and must not call the pool. Nil = nobody cares.
	Leave func(member any)
	// Observe is told every change of a node. Nil = nobody watches.
	Observe Observer
	// Log gets a line for every change of a node. Nil = none.
	Log *slog.Logger
	// Now is the clock by which loads, latencies and budgets age. It must not go backwards. Nil = time.Now. The windows
	// of breakers always go by time.Now, since gobreaker has no other.
	Now func() time.Time
	// Rand gives the random numbers of the policies. It is called from all goroutines at once. Nil = math/rand/v2. With
	// Now and Rand of its own, and one goroutine, a pool does the same every time.
	Rand func() uint64
}

// Pool is a set of nodes that serve the same models. Make it with New.
type Pool struct {
	name     string
	cfg      Config // as New got it; its nodes may have changed since
	retries  *budget
	hedges   *budget      // nil = the pool does not hedge
	inflight atomic.Int64 // of all nodes; counted only if the policy needs it
	turns    turns
	company  atomic.Int64 // when others were last seen to have work on its nodes, by its clock; 0 = never
	revived  atomic.Int64 // when a node came back last that had been down, by its clock; 0 = none did

	probe   Probe
	join    func(*Node, NodeConfig) (any, error)
	leave   func(any)
	observe Observer
	log     *slog.Logger
	now     func() time.Duration // since the pool was made; a duration fits into an atomic, a time.Time does not
	at      func(time.Time) time.Duration
	real    func(now time.Duration) time.Duration // what time.Now says when the pool's clock says now: that of breakers' windows
	random  func() uint64

	queue   queue
	members atomic.Pointer[members]
	common  *Model                            // stands for every model that nobody made known
	known   atomic.Pointer[map[string]*Model] // replaced, never changed

	recording atomic.Pointer[Recording] // nil = nobody records

	control sync.Mutex    // orders changes: guards the building of snapshots, membership, and what the nodes say it does
	probing *probing      // nil = Run does not run
	quiet   time.Duration // until then no snapshot of a large pool is made for single nodes; under control
	sorting []standing    // memory of one snapshot, for the next; under control
}

// New makes the pool that cfg describes, which must hold its defaults (see Config.SetDefaults). It starts nothing; the
// error names everything that Config.Check would refuse, or is that of Options.Join.
func New(name string, cfg Config, opt Options) (*Pool, error) {
	if err := refuse(cfg.problems()); err != nil {
		return nil, fmt.Errorf("cannot make pool %q: %w", name, err)
	}
	p := &Pool{
		name: name, cfg: cfg,
		probe: opt.Probe, join: opt.Join, leave: opt.Leave, observe: opt.Observe, log: opt.Log,
		random: opt.random(),
	}
	p.now, p.at, p.real = opt.clock()
	p.queue.of(p)
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.retries, p.hedges = newBudget(cfg.Retry, p.now), hedgeBudget(cfg.Hedge, p.now)
	p.known.Store(&map[string]*Model{})
	joined, err := p.admit(cfg.Nodes, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot make pool %q: %w", name, err)
	}
	p.members.Store(newMembers(joined, p.ringOf(cfg.Nodes)))
	p.common = p.newModel("")
	return p, nil
}

// refuse makes one error of all that is wrong.
func refuse(found []finding) error {
	if len(found) == 0 {
		return nil
	}
	texts := make([]string, len(found))
	for i, f := range found {
		texts[i] = f.key + ": " + f.text
	}
	return errors.New(strings.Join(texts, "; "))
}

// clock is the time since this moment: now, at any other, and as time.Now has it, which mostly is the same and not asked again.
func (o *Options) clock() (now func() time.Duration, at func(time.Time) time.Duration, actual func(time.Duration) time.Duration) {
	made := time.Now()
	since := func() time.Duration { return time.Since(made) } // half of what time.Now costs
	if o.Now == nil {
		return since, func(t time.Time) time.Duration { return t.Sub(made) }, func(now time.Duration) time.Duration { return now }
	}
	clock := o.Now
	began := clock()
	return func() time.Duration { return clock().Sub(began) },
		func(t time.Time) time.Duration { return t.Sub(began) },
		func(time.Duration) time.Duration { return since() }
}

func (o *Options) random() func() uint64 {
	if o.Rand == nil {
		return rand.Uint64
	}
	return o.Rand
}

// Name is the pool's name in gateway.toml.
func (p *Pool) Name() string { return p.name }

// Policy is the name of the policy.
func (p *Pool) Policy() string { return p.cfg.Policy }

// Attempts is how many attempts one exchange may make, the first included.
func (p *Pool) Attempts() int { return p.cfg.Retry.Attempts }

// granted keeps the books of one lease, whose place on its node is taken already.
func (p *Pool) granted(l *Lease, tried *Tried) {
	l.declines = tried.declines
	if l.first = tried.Len() == 0; l.first && tried.declines == 0 {
		p.retries.deposit()
		if p.hedges != nil {
			p.hedges.deposit()
		}
	}
	n := l.place.node
	first := l.place.inflight.Add(1) == 1
	tried.Add(n)
	l.attempt = tried.Len()
	l.ahead = n.inflight.Load()
	if books := l.place.model.books; books != nil {
		l.ahead += books.granted(l.place, l.began)
	}
	if o := &l.place.opening; o.known() {
		if first {
			o.owes.Store(int64(l.began))
		}
		l.within = o.granted(l.began, p.alone(l.began))
	}
	if c := l.place.conduct.Load(); c != nil && !l.followed {
		l.followed = c.stopwatch.follow(l.began)
	}
}

// returned keeps the books of one that ended now. Its place on the node is free from here on.
func (p *Pool) returned(l *Lease, o Outcome, now time.Duration) {
	n := l.place.node
	if r := p.recording.Load(); r != nil {
		p.record(r, l, o)
	}
	n.count(o)
	n.falter(o)
	l.place.count(o)
	l.learn(o)
	if o == Success && !l.untimed {
		n.hold(now - l.began)
	}
	e := ending{place: l.place, began: l.began, now: now, ahead: l.ahead, outcome: o}
	if l.untimed {
		e.outcome = Neutral
	}
	if books := l.place.model.books; books != nil {
		books.returned(e)
	}
	if c := l.place.conduct.Load(); c != nil {
		c.ended(l, o, now)
	}
	l.leave()
	if l.looks {
		l.place.looked(e)
	}
}

// Retry takes one retry out of the pool's budget. False = the budget is spent, and the exchange answers with what it has.
func (p *Pool) Retry() bool { return p.retries.take() }

// MayRetry reports whether Retry would say yes now.
func (p *Pool) MayRetry() bool { return p.retries.left() }

// AttemptTimeout is how long one attempt may take that another one may follow; 0 = there is no such limit.
func (p *Pool) AttemptTimeout() time.Duration { return p.cfg.Retry.AttemptTimeout }

// Ready reports whether the pool has a node that is up. Nodes nobody has probed yet do not count: who asks for readiness
// wants to know, while who has a request would rather try.
func (p *Pool) Ready() bool {
	return slices.ContainsFunc(p.members.Load().nodes, func(n *Node) bool { return n.State() == Up })
}

// Members are the nodes that the pool has now, in the order of the configuration. The slice is the caller's.
func (p *Pool) Members() []*Node { return slices.Clone(p.members.Load().nodes) }

// RetryAfter is when a client that met ErrNoNode may find a node: the time in which a node that is ready again is noticed.
func (p *Pool) RetryAfter() time.Duration {
	h := p.cfg.Health
	return h.Interval + time.Duration(h.Rise-1)*h.DoubtInterval
}
