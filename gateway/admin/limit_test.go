package admin

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// tally is a listener that counts what it has accepted.
type tally struct {
	net.Listener
	accepted atomic.Int64
}

func (l *tally) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return c, err
}

// Idle clients take no more than their descriptors; when one leaves, the next gets its turn, and the end waits for nobody.
func TestIdleClientsAreFew(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	counting := &tally{Listener: ln}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- New(new(fakeEdge), nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)).Run(ctx, counting)
	}()
	idle := make([]net.Conn, maxConnections+10)
	for i := range idle {
		if idle[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
	}
	await := func(want int64) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); counting.accepted.Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d connections were accepted, want %d", counting.accepted.Load(), want)
			}
		}
	}
	await(maxConnections)
	if got := counting.accepted.Load(); got > maxConnections {
		t.Errorf("%d connections were accepted at once, want %d", got, maxConnections)
	}
	idle[0].Close()
	await(maxConnections + 1)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	for _, c := range idle {
		c.Close()
	}
}
