package balancer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/balancer"
	"ganglion/internal/testnode"
)

// gateway is the least that uses a pool as the real one does: probes, attempts, outcomes.
type gateway struct {
	pool   *balancer.Pool
	client *http.Client
}

// startGateway runs a pool over the nodes until the test ends. Its client repeats nothing by itself.
func startGateway(t *testing.T, nodes ...*testnode.Node) *gateway {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	g := &gateway{client: &http.Client{Transport: transport, Timeout: time.Minute}}
	var cfg balancer.Config
	cfg.SetDefaults()
	cfg.Health.Interval, cfg.Health.DoubtInterval = 50*time.Millisecond, 10*time.Millisecond
	cfg.Health.Timeout = 20 * time.Second // no node here is silent, but for want of a processor
	for _, n := range nodes {
		cfg.Nodes = append(cfg.Nodes, balancer.NodeConfig{Address: n.Address(), Weight: 1})
	}
	pool, err := balancer.New("main", cfg, balancer.Options{Probe: g.probe})
	if err != nil {
		t.Fatal(err)
	}
	g.pool = pool
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- pool.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		transport.CloseIdleConnections()
	})
	return g
}

func (g *gateway) probe(ctx context.Context, n *balancer.Node) error {
	address := n.Address()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v2/health/ready", http.NoBody)
	if err != nil {
		return err
	}
	return g.do(request)
}

func (g *gateway) do(request *http.Request) error {
	response, err := g.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// exchange is one client request with its retry.
func (g *gateway) exchange(ctx context.Context) error {
	var tried balancer.Tried
	var failed error
	for attempt := range g.pool.Attempts() {
		if attempt > 0 && !g.pool.Retry() {
			return errors.Join(failed, errors.New("the retry budget is spent"))
		}
		lease, err := g.pool.Model("").Pick(balancer.Ask{}, &tried)
		if err != nil {
			return errors.Join(failed, err)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost,
			"http://"+lease.Node().Address()+"/v2/models/iris/infer", bytes.NewReader([]byte("{}")))
		if err == nil {
			err = g.do(request)
		}
		if err == nil {
			lease.Done(balancer.Success)
			return nil
		}
		lease.Done(balancer.Failure)
		failed = err
	}
	return failed
}

// load runs exchanges from several clients until stop is called, which reports how many there were.
func (g *gateway) load(t *testing.T, clients int) (stop func() int64) {
	ctx, cancel := context.WithCancel(t.Context())
	var done atomic.Int64
	var workers sync.WaitGroup
	for range clients {
		workers.Go(func() {
			for ctx.Err() == nil {
				if err := g.exchange(context.WithoutCancel(ctx)); err != nil {
					t.Errorf("a client saw: %v", err)
				}
				done.Add(1)
			}
		})
	}
	return func() int64 {
		cancel()
		workers.Wait()
		return done.Load()
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestNodeDiesUnderLoadAndComesBack(t *testing.T) {
	a, b, c := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	g := startGateway(t, a, b, c)
	eventually(t, "all nodes are up", func() bool {
		for _, s := range g.pool.Nodes() {
			if s.State != balancer.Up {
				return false
			}
		}
		return true
	})
	const clients = 4
	stop := g.load(t, clients)
	eventually(t, "the node has work", func() bool { return b.Requests() > 20 })

	b.Stop()
	eventually(t, "the node is down", func() bool { return g.pool.Nodes()[1].State == balancer.Down })
	lost := g.pool.Nodes()[1].Attempts
	before := a.Requests()
	eventually(t, "the others carry on", func() bool { return a.Requests() > before+50 })
	if now := g.pool.Nodes()[1].Attempts; now > lost+clients { // each may have chosen it just before
		t.Errorf("%d attempts on a node that is down", now-lost)
	}

	served := b.Requests()
	b.Restart()
	eventually(t, "the node serves again", func() bool { return b.Requests() > served+50 })
	if n := stop(); n == 0 {
		t.Error("there was no load")
	}
	for _, s := range g.pool.Nodes() {
		if s.Inflight != 0 || s.Circuit != balancer.Closed {
			t.Errorf("at rest: %+v", s)
		}
	}
}

// TestNodeThatFailsFastDoesNotAttractTraffic: a node that is ready but answers nothing well is never busy, so it looks
// least loaded to everybody.
func TestNodeThatFailsFastDoesNotAttractTraffic(t *testing.T) {
	for name, fault := range map[string]testnode.Fault{
		"500": testnode.Status(500), "reset": testnode.Reset, "half an answer": testnode.HalfAnswer, "garbage": testnode.Garbage,
	} {
		t.Run(name, func(t *testing.T) {
			good, bad := testnode.Start(t), testnode.Start(t)
			good.SetDelay(time.Millisecond)
			bad.Always(fault)
			g := startGateway(t, good, bad)
			stop := g.load(t, 4)
			eventually(t, "there was some load", func() bool { return good.Requests() > 500 })
			total := stop()
			// Until five failures in a row have come back, plus what was in flight then, plus a trial or two.
			if n := bad.Requests(); n > 20 {
				t.Errorf("%d of %d exchanges tried the bad node", n, total)
			}
		})
	}
}
