package gateway

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"ganglion/balancer"
	"ganglion/internal/hop"
)

// hearer is a pool that hears loads.
type hearer struct {
	watched
	loads chan balancer.Load
}

func (h *hearer) Hear(l balancer.Load, own int64) {
	if own == 0 {
		h.loads <- l
	}
}

// What a node tells of its load reaches the pool, if the gateway asked for it.
func TestLoadsThatAreToldReachThePool(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	server, err := hop.NewServer(func(_ context.Context, _ *hop.Request, r *hop.Response) { r.Status = 204 }, hop.DefaultConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			var request [512]byte
			if _, err = nc.Read(request[:]); err == nil {
				_, _ = nc.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + hop.Token + "\r\n\r\n"))
				err = server.Serve(context.Background(), nc)
			}
		}
		served <- err
	}()
	h := &hearer{loads: make(chan balancer.Load, 1)}
	c := newCarrier(dialer{address: ln.Addr().String()}, h, UpstreamConfig{MaxConnections: 1, ConnectTimeout: 10 * time.Second, IdleTimeout: time.Minute}, hop.NewBudget(1<<20), slog.New(slog.DiscardHandler))
	line, err := c.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); line.run(ctx) }()
	eventually(t, "a client", func() bool { return server.Clients() == 1 })
	server.Tell(hop.Load{Known: true, Queued: 3, InFlight: 1, Wait: time.Millisecond})
	if got, want := within(t, "the load", h.loads), (balancer.Load{Known: true, Queued: 3, InFlight: 1, Wait: time.Millisecond}); got != want {
		t.Errorf("heard %+v, want %+v", got, want)
	}
	stop()
	within(t, "the line's end", ran)
	within(t, "the node's end", served)
}
