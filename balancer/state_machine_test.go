package balancer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The state machine: a pool is led through a script of everything that may happen to it, beside a model of it that is too
// simple to be wrong. After each step both must say the same.

// script is what happens, a byte for each decision.
type script struct{ bytes []byte }

// next is a number below n; 0 when the script is over.
func (s *script) next(n int) int {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return int(b) % n
}

// openedAfter is how many failures in a row open a circuit here. Once open it stays so until its node comes back.
const openedAfter = 3

// simpleBreaker is all that there is to a breaker without time.
type simpleBreaker struct {
	failures int
	open     bool
	changes  int // outcomes of attempts from before the last one count nowhere
}

func (b *simpleBreaker) hear(changes int, o Outcome) {
	switch {
	case b.open || changes != b.changes || o == Neutral:
	case o == Success:
		b.failures = 0
	default:
		if b.failures++; b.failures == openedAfter {
			b.open = true
			b.changes++
		}
	}
}

func (b *simpleBreaker) reset() { *b = simpleBreaker{changes: b.changes + 1} }

// simpleNode is a node as the model sees it.
type simpleNode struct {
	node             *Node
	weight           int
	limit, held      int
	down, drained    bool
	leaving, removed bool
	left             int // times that Leave was told
	breaker          simpleBreaker
	places           map[string]*simplePlace
}

type simplePlace struct {
	breaker        simpleBreaker
	rests, missing time.Duration
}

func (n *simpleNode) place(model string) *simplePlace {
	if n.places[model] == nil {
		n.places[model] = &simplePlace{}
	}
	return n.places[model]
}

// standing is what the package documentation says.
func (n *simpleNode) standing(model string, now time.Duration) standing {
	pl := n.place(model)
	open := n.breaker.open || pl.breaker.open
	drains := n.weight == 0 || n.drained || n.leaving
	switch {
	case n.down:
		return standings
	case now < pl.missing:
		return missing
	case open && drains:
		return doubtedDraining
	case open:
		return doubted
	case drains:
		return draining
	case now < pl.rests:
		return resting
	}
	return sound
}

// attempt is a lease that is not done.
type attemptUnderWay struct {
	lease           *Lease
	node            *simpleNode
	model           string
	nodeAt, modelAt int // changes of the breakers when it began
	exchange        *exchangeUnderWay
}

type exchangeUnderWay struct {
	tried Tried
	model string
}

// machine runs a script.
type machine struct {
	t        testing.TB
	script   *script
	pool     *Pool
	hands    *hands
	configs  []NodeConfig // of all that may ever be members
	members  []*simpleNode
	leases   []*attemptUnderWay
	exchange *exchangeUnderWay
	models   map[string]bool // those that are known
	steps    []string
}

func newMachine(t testing.TB, bytes []byte) *machine {
	m := &machine{t: t, script: &script{bytes}, models: map[string]bool{}, exchange: &exchangeUnderWay{}}
	cfg := weights(allPolicies[m.script.next(len(allPolicies))], 1, 2, 1, 3, 1)
	cfg.Breaker = BreakerConfig{ConsecutiveFailures: openedAfter, MinRequests: 1, Window: time.Hour, OpenTime: time.Hour, MaxOpenTime: time.Hour}
	cfg.Outlier = OutlierConfig{MinRequests: 1, Window: time.Hour, EjectionTime: time.Hour, MaxEjectionTime: time.Hour}
	m.configs = slices.Clone(cfg.Nodes)
	m.hands = &hands{}
	m.pool = newPool(t, cfg, Options{Now: m.hands.Now, Join: m.join, Leave: func(member any) { member.(*simpleNode).left++ }})
	m.members = m.current()
	return m
}

func (m *machine) join(n *Node, cfg NodeConfig) (any, error) {
	return &simpleNode{node: n, weight: cfg.Weight, limit: cfg.MaxInflight, places: map[string]*simplePlace{}}, nil
}

func (m *machine) current() (nodes []*simpleNode) {
	for _, n := range m.pool.Members() {
		nodes = append(nodes, n.Member().(*simpleNode))
	}
	return nodes
}

// run does one step after the other until the script is over.
func (m *machine) run() {
	actions := []func(){m.pick, m.pick, m.pick, m.pick, m.finish, m.finish, m.finish, m.refuse, m.mark, m.drain, m.goaway, m.update, m.wait, m.know, m.begin, m.begin}
	for len(m.script.bytes) > 0 && !m.t.Failed() {
		actions[m.script.next(len(actions))]()
		m.compare()
	}
	for len(m.leases) > 0 {
		m.finish()
	}
	m.compare()
	if m.t.Failed() {
		for _, s := range m.steps[max(0, len(m.steps)-25):] {
			m.t.Log(s)
		}
	}
}

func (m *machine) note(format string, args ...any) {
	m.steps = append(m.steps, fmt.Sprintf(format, args...))
}

func (m *machine) now() time.Duration { return m.pool.now() }

// known is the name by which the pool keeps the model.
func (m *machine) known(name string) string {
	if m.models[name] {
		return name
	}
	return ""
}

// begin starts an exchange; the last one may have attempts under way.
func (m *machine) begin() {
	m.exchange = &exchangeUnderWay{model: []string{"a", "b", "c"}[m.script.next(3)]}
}

// pick makes the next attempt of the exchange.
func (m *machine) pick() {
	x := m.exchange
	model := m.known(x.model)
	allowed, want := m.expect(model, &x.tried)
	lease, err := m.pool.Model(x.model).Pick(Ask{Key: uint64(m.script.next(7))}, &x.tried)
	if !errors.Is(err, want) {
		m.t.Errorf("picking for %q says %v, want %v", model, err, want)
	}
	if err != nil {
		m.note("pick for %q: %v", model, err)
		return
	}
	n := lease.Node().Member().(*simpleNode)
	m.note("pick for %q: %s", model, n.node.address)
	if !slices.Contains(allowed, n) {
		m.t.Errorf("picked %s for %q, which is %s; want one of %d that are better", n.node.address, model, n.standing(model, m.now()), len(allowed))
	}
	n.held++
	m.leases = append(m.leases, &attemptUnderWay{
		lease: &lease, node: n, model: model, nodeAt: n.breaker.changes, modelAt: n.place(model).breaker.changes, exchange: x,
	})
}

// expect is who may be picked, or the error.
func (m *machine) expect(model string, tried *Tried) ([]*simpleNode, error) {
	for st := range standings {
		var untried, free []*simpleNode
		for _, n := range m.members {
			if n.standing(model, m.now()) == st && !tried.Has(n.node) {
				untried = append(untried, n)
				if n.limit == 0 || n.held < n.limit {
					free = append(free, n)
				}
			}
		}
		if len(free) > 0 {
			return free, nil
		}
		if len(untried) > 0 {
			return nil, ErrFull
		}
	}
	return nil, ErrNoNode
}

// finish ends an attempt, with any outcome.
func (m *machine) finish() {
	if len(m.leases) > 0 {
		m.end(m.script.next(len(m.leases)), []Outcome{Success, Success, Failure, Failure, Faulty, Faulty, Neutral}[m.script.next(7)])
	}
}

func (m *machine) end(i int, o Outcome) {
	a := m.leases[i]
	m.leases = slices.Delete(m.leases, i, i+1)
	m.note("%s ends for %q: %s", a.node.node.address, a.model, o)
	a.node.held--
	a.node.breaker.hear(a.nodeAt, o.ofNode())
	a.node.place(a.model).breaker.hear(a.modelAt, o.ofModel())
	a.lease.Done(o)
}

// refuse ends an attempt with a word of the node.
func (m *machine) refuse() {
	if len(m.leases) == 0 {
		return
	}
	i := m.script.next(len(m.leases))
	a := m.leases[i]
	why, d := Refusal(1+m.script.next(4)), time.Duration(m.script.next(5))*time.Second
	m.note("%s refuses %q: %d for %s", a.node.node.address, a.model, why, d)
	pl := a.node.place(a.model)
	switch why {
	case Full, RetryAfter:
		pl.rests = max(pl.rests, m.now()+max(d, restLeast))
	case NotReady:
		if a.model != "" && pl.missing-m.now() <= missingTime/2 { // of many attempts under way, the first has said it
			pl.missing = m.now() + missingTime
		}
	case Draining:
		a.node.leaving = true
	}
	a.lease.Refused(why, d)
	m.end(i, Neutral)
}

// mark takes a node down, or up: then it is another process.
func (m *machine) mark() {
	n := m.members[m.script.next(len(m.members))]
	state := []State{Up, Down}[m.script.next(2)]
	m.note("%s is marked %s", n.node.address, state)
	if state == Up && n.down {
		n.leaving = false
		n.breaker.reset()
		for _, pl := range n.places {
			pl.breaker.reset()
			pl.rests = 0
		}
	}
	if state == Down {
		for _, pl := range n.places {
			pl.missing = 0 // what it has when it comes back, nobody knows
		}
	}
	n.down = state == Down
	if err := m.pool.Mark(n.node.address, state, nil); err != nil {
		m.t.Error(err)
	}
}

func (m *machine) drain() {
	n := m.members[m.script.next(len(m.members))]
	n.drained = m.script.next(2) == 0
	m.note("%s is drained: %t", n.node.address, n.drained)
	if err := m.pool.Drain(n.node.address, n.drained); err != nil {
		m.t.Error(err)
	}
}

func (m *machine) goaway() {
	n := m.members[m.script.next(len(m.members))]
	if n.leaving = m.script.next(2) == 0; n.leaving {
		n.node.Goaway()
	} else {
		n.node.stays()
	}
	m.note("%s leaves: %t", n.node.address, n.leaving)
}

// update changes the membership, weights and limits.
func (m *machine) update() {
	var list []NodeConfig
	for i := range m.configs {
		if i == 0 || m.script.next(4) > 0 {
			cfg := m.configs[i]
			cfg.Weight, cfg.MaxInflight = m.script.next(4), []int{0, 0, 1, 2}[m.script.next(4)]
			list = append(list, cfg)
		}
	}
	m.note("update to %v", list)
	if err := m.pool.Update(list); err != nil {
		m.t.Error(err)
	}
	after := m.current()
	for _, n := range m.members {
		n.removed = n.removed || !slices.Contains(after, n)
	}
	for i, n := range after {
		n.weight, n.limit = list[i].Weight, list[i].MaxInflight
		if n.removed || n.node.canonical != list[i].Address {
			m.t.Errorf("member %d is %s, want %s", i, n.node.address, list[i].Address)
		}
	}
	m.members = after
}

func (m *machine) wait() { m.hands.advance(time.Duration(m.script.next(256)) * 50 * time.Millisecond) }

func (m *machine) know() {
	name := []string{"a", "b"}[m.script.next(2)]
	m.note("%q becomes known", name)
	m.pool.Know(name)
	m.models[name] = true
}

// compare holds what the pool says of its members against the model.
func (m *machine) compare() {
	for _, s := range m.pool.Nodes() {
		n := s.Node.Member().(*simpleNode)
		if s.Inflight != int64(n.held) || s.Limit != int64(n.limit) || (s.Circuit != Closed) != n.breaker.open {
			m.t.Errorf("%s has %d of %d in flight, its circuit is %s; want %d of %d, open: %t",
				s.Address, s.Inflight, s.Limit, s.Circuit, n.held, n.limit, n.breaker.open)
		}
		for _, ms := range s.Models {
			pl := n.place(ms.Model)
			if (ms.Circuit != Closed) != pl.breaker.open || ms.Missing != (m.now() < pl.missing) || ms.Rest != max(0, pl.rests-m.now()) {
				m.t.Errorf("%q on %s: circuit %s, missing %t, rest %s; want open %t, missing until %s and rest until %s, now is %s",
					ms.Model, s.Address, ms.Circuit, ms.Missing, ms.Rest, pl.breaker.open, pl.missing, pl.rests, m.now())
			}
		}
	}
	for _, a := range m.leases {
		if a.node.left > 0 {
			m.t.Errorf("%s has left with a lease", a.node.node.address)
		}
	}
}

// TestAPoolIsWhatItsModelIs runs scripts of chance.
func TestAPoolIsWhatItsModelIs(t *testing.T) {
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 99))
		bytes := make([]byte, 1500)
		for i := range bytes {
			bytes[i] = byte(rng.Uint32())
		}
		newMachine(t, bytes).run()
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// FuzzPool runs scripts that cover what others have not.
func FuzzPool(f *testing.F) {
	f.Add([]byte("a pool is what its model is, whatever happens to it"))
	f.Add([]byte{3, 14, 0, 0, 4, 0, 2, 0, 0, 4, 0, 2, 8, 1, 1, 8, 1, 0, 11, 9, 9, 9, 9, 9, 9, 0, 0, 0})
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if len(bytes) < 4000 {
			newMachine(t, bytes).run()
		}
	})
}
