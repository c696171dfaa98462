package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/cache"
	"ganglion/gateway/rpc"
	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/lifecycle"
	"ganglion/internal/oip"
)

// Options are what a gateway needs beside its configuration.
type Options struct {
	Version   string                // of this build, for metadata and metrics
	Log       *slog.Logger          // nil = slog.Default
	AccessLog io.Writer             // one JSON line per exchange; nil = none. Written by one goroutine, not closed
	Registry  prometheus.Registerer // nil = no metrics
}

// Gateway is the edge. Make it with [New], run it once.
type Gateway struct {
	cfg      *Config
	version  string
	log      *slog.Logger
	metadata oip.ServerMetadata
	began    time.Time

	server    *httpserver.Server
	rpc       *rpc.Server // nil = off
	table     atomic.Pointer[table]
	crew      *crew                       // runs the table's parts
	cache     atomic.Pointer[cache.Store] // opened by Run; nil = off
	accessLog *accessLog                  // nil = off
	exchanges exchanges
	answers   hop.Budget // memory for large answers
	ledger    ledger

	serving   atomic.Bool
	draining  atomic.Bool
	recording atomic.Bool // somebody records decisions
	reloads   reloads
	drains    sync.Mutex // orders Drain: what is checked holds until it is done

	metrics  metrics
	inFlight atomic.Int64
	panics   atomic.Uint64 // after answers; the server counts those of handlers
}

// New makes a gateway of a checked configuration. It starts nothing.
func New(cfg *Config, opt Options) (*Gateway, error) {
	g := &Gateway{cfg: cfg, version: opt.Version, log: opt.Log, began: time.Now()}
	if g.log == nil {
		g.log = slog.Default()
	}
	g.metadata = oip.ServerMetadata{Name: "ganglion", Version: opt.Version, Extensions: extensions()}
	g.metrics.noRoute = newVariantMetrics("", "")
	g.accessLog = newAccessLog(opt.AccessLog, g.log)
	g.answers = hop.NewBudget(int64(cfg.Upstream.MaxAnswerMemory))
	g.server = httpserver.New("edge", cfg.Server.Config, g.handle, g.log)
	g.server.ObserveRefusals(g.refused)
	g.server.Screen(g.unwanted, g.turnAway)
	g.crew = newCrew()
	g.reloads.status.Loaded = g.began
	t, err := buildTable(cfg, nil, g.memory(), g.log)
	if err != nil {
		return nil, err
	}
	g.table.Store(t)
	secure, err := g.encrypt(cfg.Server.TLS)
	if err != nil {
		return nil, err
	}
	if cfg.Server.GRPC != "" {
		if g.rpc, err = newRPC(g, cfg, secure, g.log); err != nil {
			return nil, err
		}
	}
	if opt.Registry != nil {
		if err := opt.Registry.Register(collector{g}); err != nil {
			return nil, fmt.Errorf("cannot register the gateway's metrics: %w", err)
		}
	}
	return g, nil
}

// Run serves clients on ln, and those that speak gRPC on rpcs, until ctx ends; then it drains: readiness fails at once, new
// connections are refused after server.drain_delay, and what is in flight is finished within server.drain_timeout. It
// returns nil after a clean drain. It owns both listeners; rpcs is nil exactly if server.grpc is "".
func (g *Gateway) Run(ctx context.Context, ln, rpcs net.Listener) error {
	store, err := cache.New(g.cfg.Cache)
	if err != nil {
		ln.Close()
		if rpcs != nil {
			rpcs.Close()
		}
		return fmt.Errorf("cannot open the cache: %w", err)
	}
	g.cache.Store(store)
	defer store.Close()

	var parts lifecycle.Group
	if g.accessLog != nil {
		parts.Add("access log", g.accessLog.run)
	}
	parts.Add("pools", func(ctx context.Context) error { return g.crew.run(ctx, g.table.Load) })
	parts.Add("edge", func(ctx context.Context) error { return g.serve(ctx, ln, rpcs) })
	return parts.Run(ctx)
}

// memory is what the nodes' transports share.
func (g *Gateway) memory() memory { return memory{answers: g.answers, bodies: g.server} }

// serve runs the servers until ctx ends and the drain is over, or until one of them fails.
func (g *Gateway) serve(ctx context.Context, ln, rpcs net.Listener) error {
	// The servers are told to stop only after the delay, so their context is not a child of ctx.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	announced := make(chan struct{})
	go func() {
		defer close(announced)
		select {
		case <-ctx.Done():
			g.draining.Store(true)
			g.log.Info("draining", "delay", g.cfg.Server.DrainDelay, "in_flight", g.inFlight.Load())
			rest(serving, g.cfg.Server.DrainDelay)
			stop()
		case <-serving.Done():
		}
	}()
	g.serving.Store(true)
	var failed error // of the gRPC server
	var calls sync.WaitGroup
	if g.rpc != nil {
		calls.Go(func() {
			defer stop()
			failed = g.rpc.Run(serving, rpcs)
		})
	}
	err := g.server.Run(serving, ln)
	stop()
	calls.Wait()
	<-announced
	return errors.Join(err, failed)
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Ready returns nil when the gateway takes requests and at least one route can serve them, or what is in the way.
func (g *Gateway) Ready() error {
	switch {
	case g.draining.Load():
		return errors.New("draining")
	case !g.serving.Load():
		return errors.New("starting")
	}
	return g.table.Load().ready()
}
