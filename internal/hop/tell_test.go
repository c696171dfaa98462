package hop

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// A node tells each client what the others have brought, and says nothing to those for whom it is no news.
func TestLoadIsToldWithoutAnAnswer(t *testing.T) {
	release := make(chan struct{})
	server, err := NewServer(func(_ context.Context, _ *Request, resp *Response) { <-release; resp.Status = 204 }, DefaultConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var heard [2]struct{ times, queued, own atomic.Int64 }
	var conns [2]*Conn
	ctx, stop := context.WithCancel(context.Background())
	for i := range conns {
		client, serverSide := connected(t)
		served, ran := make(chan error, 1), make(chan error, 1)
		go func() { served <- server.Serve(ctx, serverSide) }()
		cfg := DefaultConfig()
		cfg.Loads = 1000
		if conns[i], err = Open(client, cfg); err != nil {
			t.Fatal(err)
		}
		conns[i].Observe(Observer{Load: func(l Load, own uint32) {
			heard[i].queued.Store(int64(l.Queued))
			heard[i].own.Store(int64(own))
			heard[i].times.Add(1)
		}})
		go func() { ran <- conns[i].Run(ctx) }()
		t.Cleanup(func() { await(t, ran); await(t, served) })
	}
	t.Cleanup(stop)
	var x [3]Exchange
	var done [3]chan error
	for i := range x {
		done[i] = do(conns[0], post(&x[i], nil)) // all by the first
	}
	eventually(t, "two clients and three requests", func() bool { return server.Clients() == 2 && running(server) == 3 })
	load := Load{Known: true, Queued: 2, InFlight: 1}
	began := time.Now()
	for range 3 { // said once
		tellAgain(server, load)
	}
	eventually(t, "the load", func() bool {
		return heard[1].times.Load() > 0 && heard[1].queued.Load() == 2 && heard[1].own.Load() == 0
	})
	if n := server.Told(); n != 1 && time.Since(began) < toldAgain {
		t.Errorf("%d loads were told, want 1: the first client has brought all there is", n)
	}
	load.InFlight += 4 // from elsewhere
	tellAgain(server, load)
	eventually(t, "the load of others", func() bool {
		return heard[0].own.Load() == 3 && heard[1].times.Load() >= 2
	})
	close(release)
	for i := range done {
		if err := within(t, "an answer", done[i]); err != nil {
			t.Error(err)
		}
	}
	tellAgain(server, Load{Known: true})
	eventually(t, "that all is over", func() bool { return heard[0].queued.Load() == 0 && heard[1].queued.Load() == 0 })
}

// tellAgain tells until everybody has heard who wants to.
func tellAgain(s *Server, l Load) {
	for s.Tell(l) {
		time.Sleep(time.Millisecond)
	}
}

// A client that does not ask for loads, as those of earlier revisions, gets none; one that asks for few gets few.
func TestLoadsAreTakenByWhoAsks(t *testing.T) {
	for loads, want := range map[int]uint64{0: 0, 1: 1} {
		p := loopbackWith(t, func(c *Config) { c.Loads = loads })
		var x Exchange
		if err := p.conn.Do(post(&x, nil)); err != nil { // the server knows its client
			t.Fatal(err)
		}
		began, again := time.Now(), false
		for i := range uint32(10) {
			again = p.server.Tell(Load{Known: true, Queued: 1 << i})
		}
		if time.Since(began) > time.Second {
			t.Skip("this machine is too slow to be told twice within a second")
		}
		if n := p.server.Told(); n != want || again != (loads > 0) {
			t.Errorf("with %d loads a second: %d were told, again: %v", loads, n, again)
		}
	}
}

// running counts the requests that handlers have.
func running(s *Server) int {
	n := 0
	for _, c := range s.clients.all() {
		c.link.mu.Lock()
		n += c.running
		c.link.mu.Unlock()
	}
	return n
}

// A load frame may be skipped by clients that do not know it, and may be longer than this one knows.
func TestLoadFramesThatGrow(t *testing.T) {
	f := appendLoadFrame(nil, Load{Known: true, Queued: 1}, 2)
	if f[5]&flagOptional == 0 {
		t.Error("a load frame without the flag that lets others skip it")
	}
	c, p, _ := serverPeer(t, DefaultConfig(), usual())
	var x Exchange
	done := do(c, post(&x, nil))
	p.want(kindRequest, 1)
	longer := frame(kindLoad, flagOptional, 0, make([]byte, loadFrameSize+8)) // of a later revision
	p.write(join(f, longer, responseFrame(1, "ok")))
	if err := within(t, "the answer", done); err != nil {
		t.Errorf("a load frame broke the connection: %v", err)
	}
}
