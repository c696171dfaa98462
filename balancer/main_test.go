package balancer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// weights makes a configuration with defaults and a node for each weight.
func weights(policy string, weights ...int) Config {
	var c Config
	c.SetDefaults()
	c.Policy = policy
	for i, w := range weights {
		c.Nodes = append(c.Nodes, NodeConfig{Address: fmt.Sprintf("10.0.%d.%d:9000", i/250, i%250+1), Weight: w})
	}
	return c
}

// equal makes a configuration with defaults and n nodes of weight 1.
func equal(policy string, n int) Config {
	ws := make([]int, n)
	for i := range ws {
		ws[i] = 1
	}
	return weights(policy, ws...)
}

// unjudged turns the ejection of outliers off, so that the policy is on its own.
func unjudged(cfg Config) Config {
	cfg.Outlier.LatencyFactor, cfg.Outlier.FailurePercent = 0, 0
	return cfg
}

func newPool(t testing.TB, cfg Config, opt Options) *Pool {
	t.Helper()
	p, err := New("test", cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// attempt makes one attempt of a new exchange and reports it.
func attempt(t testing.TB, p *Pool, o Outcome) *Node {
	t.Helper()
	var tried Tried
	lease, err := p.Model("").Pick(Ask{}, &tried)
	if err != nil {
		t.Fatal(err)
	}
	lease.Done(o)
	return lease.Node()
}

// exhaust makes attempts that fail on this node and succeed elsewhere, until its circuit is open.
func exhaust(t testing.TB, p *Pool, n *Node) {
	t.Helper()
	for range 100 * len(p.Members()) {
		var tried Tried
		lease, err := p.Model("").Pick(Ask{}, &tried)
		if err != nil {
			t.Fatal(err)
		}
		if lease.Node() == n {
			lease.Done(Failure)
		} else {
			lease.Done(Success)
		}
		if n.Circuit() == Open {
			return
		}
	}
	t.Fatalf("the circuit of node %d is still %s", n.index(), n.Circuit())
}

// run starts Run in a synctest bubble; stop ends it and waits.
func run(t *testing.T, p *Pool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

// advance lets the bubble's time pass and everybody come to rest.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// farm is what probes of a pool find: who is ready and how often each was asked.
type farm struct {
	mu     sync.Mutex
	broken map[string]error
	asked  map[string]int
}

func (f *farm) probe(_ context.Context, n *Node) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked == nil {
		f.asked = make(map[string]int)
	}
	f.asked[n.address]++
	return f.broken[n.address]
}

func (f *farm) set(n *Node, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken == nil {
		f.broken = make(map[string]error)
	}
	f.broken[n.address] = err
}

func (f *farm) probes(n *Node) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[n.address]
}

// index is the node's place among the members.
func (n *Node) index() int { return slices.Index(n.pool.members.Load().nodes, n) }

// mark is Mark of the node with that place among the members.
func (p *Pool) mark(at int, state State, cause error) {
	if err := p.Mark(p.Members()[at].address, state, cause); err != nil {
		panic(err)
	}
}
