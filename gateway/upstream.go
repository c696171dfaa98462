package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/balancer"
)

// upstream is a pool as the edge sees it: the balancer says who, the nodes' transports know how to get there.
type upstream struct {
	*balancer.Pool
	roster  *roster
	recalls *recaller
	retries retryTally
	queued  prometheus.Histogram // seconds, of those who had to wait for a node
	hedges  hedgeTally
	cut     atomic.Uint64 // attempts broken off by retry.attempt_timeout

	keyed     bool   // the policy asks which requests belong together
	keyHeader string // that tells, in canonical form; "" = the question does

	newNode func(*balancer.Node, balancer.NodeConfig) *node // starts nothing

	mu       sync.Mutex
	present  map[*node]bool  // those who joined and have not left
	running  context.Context // transports of nodes that join run within it; nil = none does
	carrying sync.WaitGroup  // transports that run
	failed   chan error      // of a transport that cannot go on
}

// node is one member of an upstream.
type node struct {
	address   string
	of        *balancer.Node // from join on
	transport transport
	probe     probe
	metrics   nodeMetrics
	waits     waits
	declined  atomic.Uint64 // attempts that were none, because the node declined them

	stop context.CancelFunc // of the transport; nil = it does not run; under upstream.mu
}

func newUpstream(name string, whole *Config, mem memory, log *slog.Logger) (*upstream, error) {
	cfg := whole.Pools[name]
	secure, err := newSecure(cfg.TLS, log.With("pool", name))
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	cfg.NodesLater = cfg.Discover != nil
	u := &upstream{queued: newQueueHistogram(name), roster: newRoster(name, whole, log), recalls: newRecaller(), present: map[*node]bool{}, failed: make(chan error, 1)}
	u.newNode = func(n *balancer.Node, nc balancer.NodeConfig) *node {
		return &node{
			address:   nc.Address,
			transport: newTransport(n, nc.Protocol, dialer{nc.Address, secure}, whole, mem, log.With("pool", name)),
			probe:     newProbe(nc, secure),
			metrics:   newNodeMetrics(name, nc.Address),
		}
	}
	u.Pool, err = balancer.New(name, cfg.Config, balancer.Options{
		Probe: func(ctx context.Context, n *balancer.Node) error { return memberOf(n).probe(ctx, n) },
		Join:  u.join, Leave: u.leave, Observe: u.observe, Log: log,
	})
	if err != nil {
		return nil, err
	}
	u.roster.pool = u.Pool
	u.heed(cfg.Config)
	return u, nil
}

// newTransport makes the way to a node in the protocol that it speaks.
func newTransport(n *balancer.Node, protocol string, via dialer, cfg *Config, mem memory, log *slog.Logger) transport {
	inflated := inflation{most: int(cfg.Server.MaxBody), memory: mem.bodies}
	if protocol == balancer.ProtocolGRPC {
		t := newRPCNode(via, cfg.Upstream, mem.answers, inflated)
		t.watch(n, log.With("node", via.address))
		return t
	}
	c := newCarrier(via, n, cfg.Upstream, mem.answers, log)
	c.inflated = inflated
	return c
}

// observe is told of changes of the pool's nodes.
func (up *upstream) observe(c balancer.Change) {
	up.roster.observe(c)
	up.recalls.observe(c)
}

// memberOf is the edge's side of a node.
func memberOf(n *balancer.Node) *node { return n.Member().(*node) }

// nodes are the members of the pool now.
func (up *upstream) nodes() []*node {
	members := up.Members()
	nodes := make([]*node, len(members))
	for i, n := range members {
		nodes[i] = memberOf(n)
	}
	return nodes
}

// join makes the edge's side of a node that becomes a member.
func (up *upstream) join(member *balancer.Node, cfg balancer.NodeConfig) (any, error) {
	n := up.newNode(member, cfg)
	n.of = member
	up.mu.Lock()
	defer up.mu.Unlock()
	up.present[n] = true
	up.start(n)
	return n, nil
}

// leave lets a node's transport close its connections. No attempt is under way on it any more.
func (up *upstream) leave(member any) {
	up.mu.Lock()
	defer up.mu.Unlock()
	n := member.(*node)
	delete(up.present, n)
	if n.stop != nil {
		n.stop()
	}
}

// start runs a node's transport, if Run does. The caller holds up.mu.
func (up *upstream) start(n *node) {
	if up.running == nil {
		return
	}
	ctx, stop := context.WithCancel(up.running)
	n.stop = stop
	run := n.transport.run
	up.carrying.Go(func() {
		defer stop()
		if err := run(ctx); err != nil {
			select {
			case up.failed <- fmt.Errorf("connections to %s: %w", n.address, err):
			default: // one is enough
			}
		}
	})
}

// Run keeps the connections to the nodes and probes them until ctx ends, or until a transport cannot go on. Nodes that
// join meanwhile are included. It hides the pool's own Run.
func (up *upstream) Run(ctx context.Context) error {
	carrying, stop := context.WithCancel(context.WithoutCancel(ctx)) // connections are closed after the last probe
	defer up.carrying.Wait()
	defer stop()
	up.mu.Lock()
	up.running = carrying
	for n := range up.present {
		up.start(n)
	}
	up.mu.Unlock()
	defer func() {
		up.mu.Lock()
		up.running = nil // nobody starts any more
		up.mu.Unlock()
	}()

	probing, stopProbing := context.WithCancel(ctx)
	var listing sync.WaitGroup
	defer listing.Wait()
	defer stopProbing()
	listing.Go(func() { up.roster.run(probing) })
	listing.Go(func() { up.recalls.run(probing) })
	probed := make(chan error, 1)
	go func() { probed <- up.Pool.Run(probing) }()
	select {
	case err := <-probed:
		return err
	case err := <-up.failed:
		stopProbing()
		return errors.Join(err, <-probed)
	}
}
