package balancer

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// witness sees what becomes of one member, from the outside: what it is told by Join and Leave, and by those who hold leases.
type witness struct {
	node     *Node
	held     atomic.Int64
	limit    int64 // 0 = none
	down     atomic.Int64
	left     atomic.Int64
	outcomes [Neutral + 1]atomic.Uint64
}

// gathering is a pool that everything happens to at once, and a witness for each of its members, those who have left included.
type gathering struct {
	t    *testing.T
	pool *Pool
	mu   sync.Mutex
	ever []*witness
}

func gather(t *testing.T, cfg Config) *gathering {
	t.Helper()
	g := &gathering{t: t}
	for i := range cfg.Nodes {
		cfg.Nodes[i].MaxInflight = []int{0, 2, 0, 5}[i%4]
	}
	g.pool = newPool(t, cfg, Options{Join: g.join, Leave: g.leave})
	return g
}

func (g *gathering) join(n *Node, cfg NodeConfig) (any, error) {
	w := &witness{node: n, limit: int64(cfg.MaxInflight)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ever = append(g.ever, w)
	return w, nil
}

func (g *gathering) leave(member any) {
	w := member.(*witness)
	if held := w.held.Load(); held != 0 {
		g.t.Errorf("%s left while it had %d leases", w.node.address, held)
	}
	w.left.Add(1)
}

// churn does to the pool what operators, discovery, probes and nodes themselves may do, until stop is closed. The first node
// always stays, up and not drained.
func (g *gathering) churn(stop chan struct{}, seed uint64, nodes []NodeConfig) {
	rng := rand.New(rand.NewPCG(seed, 17))
	for {
		select {
		case <-stop:
			return
		default:
		}
		n := nodes[1+rng.IntN(len(nodes)-1)]
		switch rng.IntN(8) {
		case 0:
			some := slices.Clone(nodes[:1])
			for _, other := range nodes[1:] {
				if rng.IntN(3) > 0 {
					other.Weight = rng.IntN(4)
					some = append(some, other)
				}
			}
			if err := g.pool.Update(some); err != nil {
				g.t.Errorf("Update: %v", err)
			}
		case 1, 2:
			_ = g.pool.Drain(n.Address, rng.IntN(2) == 0) // it may have left
		case 3:
			if member, err := g.pool.Find(n.Address); err == nil {
				member.Goaway()
				member.stays()
			}
		case 4:
			g.pool.Know([]string{"a", "b", "c", "d"}[rng.IntN(4)])
		default:
			g.flap(n.Address)
		}
	}
}

// flap takes a node down and up again.
func (g *gathering) flap(address string) {
	n, err := g.pool.Find(address)
	if err != nil {
		return // it has left
	}
	w := n.Member().(*witness)
	g.pool.setState(n, Down, errors.New("gone"))
	w.down.Add(1) // odd: everybody has been told
	w.down.Add(1)
	g.pool.setState(n, Up, nil)
}

// exchange makes up to three attempts, and holds every lease against what was known before it.
func (g *gathering) exchange(rng *rand.Rand) {
	var tried Tried
	model := g.pool.Model([]string{"", "a", "b"}[rng.IntN(3)])
	ask := Ask{Key: rng.Uint64N(50), Stick: rng.IntN(8) == 0}
	for range 3 {
		before := g.downs()
		had := tried
		lease, err := model.Pick(ask, &tried)
		if err != nil {
			if tried.Len() == 0 && errors.Is(err, ErrNoNode) {
				g.t.Error("no node for a first attempt, though one is always up")
			}
			return
		}
		w := lease.Node().Member().(*witness)
		if had.Has(lease.Node()) {
			g.t.Errorf("%s was picked twice by one exchange", w.node.address)
		}
		if now := w.down.Load(); now%2 == 1 && now == before[w] {
			g.t.Errorf("%s was picked while it was down", w.node.address)
		}
		if held := w.held.Add(1); w.limit > 0 && held > w.limit {
			g.t.Errorf("%s holds %d leases, its limit is %d", w.node.address, held, w.limit)
		}
		if w.left.Load() != 0 {
			g.t.Errorf("%s was picked after it had left", w.node.address)
		}
		outcome := g.end(rng, &lease)
		w.outcomes[outcome].Add(1)
		w.held.Add(-1)
		lease.Done(outcome)
	}
}

// end says how an attempt went, with what the node said of itself.
func (g *gathering) end(rng *rand.Rand, l *Lease) Outcome {
	if rng.IntN(4) == 0 {
		l.Node().Report(Load{Known: true, Queued: rng.Uint32N(9), InFlight: rng.Uint32N(9)})
	}
	switch n := rng.IntN(100); {
	case n < 8:
		return Failure
	case n < 16:
		return Faulty
	case n < 20:
		l.Refused(Refusal(1+rng.IntN(4)), time.Duration(rng.IntN(100))*time.Microsecond)
		return Neutral
	case n < 24:
		return Neutral
	}
	return Success
}

// downs are the epochs of all members now.
func (g *gathering) downs() map[*witness]int64 {
	epochs := map[*witness]int64{}
	for _, n := range g.pool.Members() {
		w := n.Member().(*witness)
		epochs[w] = w.down.Load()
	}
	return epochs
}

// settle holds the books against what the witnesses saw, now that all leases are done.
func (g *gathering) settle() {
	for _, w := range g.ever {
		n := w.node
		if n.Inflight() != 0 {
			g.t.Errorf("%s has %d leases in flight after all are done", n.address, n.Inflight())
		}
		if want := n.retired.Load(); want != (w.left.Load() == 1) || w.left.Load() > 1 {
			g.t.Errorf("%s: removed %t, and Leave was told %d times", n.address, want, w.left.Load())
		}
		counted := map[Outcome]uint64{
			Success: n.successes.Load(), Failure: n.failures.Load(), Faulty: n.faults.Load(), Neutral: n.neutral.Load(),
		}
		for o, got := range counted {
			if want := w.outcomes[o].Load(); got != want {
				g.t.Errorf("%s counts %d times %s, it was reported %d times", n.address, got, o, want)
			}
		}
	}
	for _, s := range g.pool.Nodes() {
		sum := ModelStatus{}
		for _, m := range s.Models {
			sum.Successes, sum.Failures = sum.Successes+m.Successes, sum.Failures+m.Failures
			sum.Faults, sum.Neutral = sum.Faults+m.Faults, sum.Neutral+m.Neutral
		}
		if sum.Successes != s.Successes || sum.Failures != s.Failures || sum.Faults != s.Faults || sum.Neutral != s.Neutral {
			g.t.Errorf("%s: its models count %+v, itself %+v", s.Address, sum, s)
		}
	}
}

// TestNothingIsLostWhileEverythingChanges has many exchanges pick, under every policy, while nodes join, leave, drain, die and
// come back, circuits open and close, and models become known: no lease goes to a node that is down, gone, tried or full, and
// in the end the books are even.
func TestNothingIsLostWhileEverythingChanges(t *testing.T) {
	for _, policy := range allPolicies {
		t.Run(policy, func(t *testing.T) {
			cfg := weights(policy, 1, 2, 3, 4, 1, 1, 2, 1)
			cfg.Breaker.OpenTime = 10 * time.Millisecond
			g := gather(t, cfg)
			stop := make(chan struct{})
			var churn, pickers sync.WaitGroup
			churn.Go(func() { g.churn(stop, 1, cfg.Nodes) })
			for seed := range uint64(4) {
				pickers.Go(func() {
					rng := rand.New(rand.NewPCG(seed, 23))
					for range 1500 {
						g.exchange(rng)
					}
				})
			}
			pickers.Wait()
			close(stop)
			churn.Wait()
			g.settle()
		})
	}
}
