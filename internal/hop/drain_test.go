package hop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A node that drains takes no new exchanges, finishes those it has, and both ends come home without an error.
func TestServerDrains(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	p := loopback(t, func(_ context.Context, _ *Request, resp *Response) {
		close(began)
		<-release
		resp.Status, resp.Body = 200, make([]byte, 5<<20)
	})
	var open, late Exchange
	done := do(p.conn, post(&open, []byte("x")))
	within(t, "the handler", began)
	p.stopServer()
	eventually(t, "the goaway", func() bool { return !p.conn.Usable() })
	err := p.conn.Do(post(&late, nil))
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeDraining || e.Begun {
		t.Errorf("while draining: got %v, want draining and not begun", err)
	}
	close(release)
	if err := within(t, "the open exchange", done); err != nil || len(open.Response.Body) != 5<<20 {
		t.Errorf("the open exchange got %d bytes and %v", len(open.Response.Body), err)
	}
	if err := await(t, p.clientEnd); err != nil {
		t.Errorf("Run returned %v", err)
	}
	if err := await(t, p.serverEnd); err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestClientDrains(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	p := loopback(t, func(ctx context.Context, _ *Request, resp *Response) {
		close(began)
		<-release
		if ctx.Err() != nil {
			t.Error("a drain ended the handler's context")
		}
		resp.Status = 204
	})
	var x, late Exchange
	done := do(p.conn, post(&x, nil))
	within(t, "the handler", began)
	p.stopClient()
	eventually(t, "the drain", func() bool { return !p.conn.Usable() })
	if err := p.conn.Do(post(&late, nil)); codeIn(t, err) != CodeDraining {
		t.Errorf("while draining: got %v", err)
	}
	close(release)
	if err := within(t, "the open exchange", done); err != nil {
		t.Errorf("the open exchange failed: %v", err)
	}
	if err := await(t, p.clientEnd); err != nil {
		t.Errorf("Run returned %v", err)
	}
	if err := await(t, p.serverEnd); err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestIdleConnectionsDrainAtOnce(t *testing.T) {
	for name, stop := range map[string]func(*pair){
		"client": func(p *pair) { p.stopClient() },
		"server": func(p *pair) { p.stopServer() },
		"both":   func(p *pair) { p.stopClient(); p.stopServer() },
	} {
		t.Run(name, func(t *testing.T) {
			p := loopback(t, echo)
			var x Exchange
			if err := p.conn.Do(post(&x, nil)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			stop(p)
			if err := errors.Join(await(t, p.clientEnd), await(t, p.serverEnd)); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Requests above the last stream that a goaway accepts are safe to repeat; those up to it are answered.
func TestGoawaySaysWhatItAccepts(t *testing.T) {
	c, p, end := serverPeer(t, DefaultConfig(), usual())
	var x [4]Exchange
	var done [4]chan error
	for i := range x {
		done[i] = do(c, post(&x[i], nil))
		p.want(kindRequest, uint64(i+1))
	}
	p.write(appendGoaway(nil, 2, ReasonNone, "rolling restart"))
	for i := 2; i < 4; i++ {
		err := within(t, "the end of an exchange", done[i])
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeDraining || e.Begun || !strings.Contains(err.Error(), "rolling restart") {
			t.Errorf("stream %d: got %v, want draining and not begun", i+1, err)
		}
	}
	p.write(join(responseFrame(2, "two"), responseFrame(1, "one")))
	for i := range 2 {
		if err := within(t, "an answer", done[i]); err != nil {
			t.Errorf("stream %d: %v", i+1, err)
		}
	}
	p.wantEnd() // the client closes
	if err := await(t, end); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

// A goaway with a reason is what Run returns when the connection has ended.
func TestGoawayWithAReason(t *testing.T) {
	c, p, end := serverPeer(t, DefaultConfig(), usual())
	var x Exchange
	done := do(c, post(&x, nil))
	p.want(kindRequest, 1)
	p.write(appendGoaway(nil, 1, ReasonMemory, "no more\nroom"))
	p.nc.Close()
	if err := within(t, "the end of the exchange", done); codeIn(t, err) != CodeBroken {
		t.Errorf("got %v", err)
	}
	err := await(t, end)
	if e, ok := errors.AsType[*GoawayError](err); !ok || e.Reason != ReasonMemory || e.Text != "no more.room" {
		t.Errorf("Run returned %v", err)
	}
}

// A server that has said goaway does not work on what the client sent before it heard.
func TestServerIgnoresWhatItDidNotAccept(t *testing.T) {
	var handled atomic.Int32
	hold := make(chan struct{})
	client, serverSide := connected(t)
	server, err := NewServer(func(_ context.Context, _ *Request, resp *Response) {
		handled.Add(1)
		<-hold
		resp.Status = 200
	}, DefaultConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- server.Serve(ctx, serverSide) }()
	p := newPeer(t, client)
	p.write(settingsFrame(usual()))
	p.want(kindSettings, 0)
	p.write(requestFrame(1, "x"))
	eventually(t, "the first handler", func() bool { return handled.Load() == 1 })
	stop()
	_, payload := p.want(kindGoaway, 0)
	if last, reason, _, _ := parseGoaway(payload); last != 1 || reason != ReasonNone {
		t.Errorf("goaway accepts up to %d with %v, want 1 and none", last, reason)
	}
	p.write(join(requestFrame(2, "x"), requestHeadFrame(3, 100), frame(kindChunk, 0, 3, make([]byte, 50)), appendPing(nil, kindPing, 9)))
	p.want(kindPong, 0) // all of that has been read
	close(hold)
	p.want(kindResponse, 1)
	p.wantEnd() // the server waits a moment for the client to close, which this one does not
	if err := await(t, end); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if n := handled.Load(); n != 1 {
		t.Errorf("%d requests were handled, want 1", n)
	}
}

// A drain that takes too long is ended: handlers are told, callers fail.
func TestDrainHasAnEnd(t *testing.T) {
	cfg := DefaultConfig()
	cfg.DrainTimeout = 50 * time.Millisecond
	client, server := connected(t)
	began := make(chan struct{})
	p := start(t, client, server, DefaultConfig(), cfg, func(ctx context.Context, _ *Request, _ *Response) {
		close(began)
		<-ctx.Done()
	})
	var x Exchange
	done := do(p.conn, post(&x, nil))
	within(t, "the handler", began)
	p.stopServer()
	if err := within(t, "the end of the exchange", done); codeIn(t, err) != CodeBroken {
		t.Errorf("got %v, want broken", err)
	}
	if err := await(t, p.serverEnd); err == nil || !strings.Contains(err.Error(), "1 exchanges were open after 50ms") {
		t.Errorf("Serve returned %v", err)
	}
}

// While nodes drain and restart, callers that repeat what is safe to repeat lose nothing and have nothing done twice.
func TestRollingRestartLosesNothing(t *testing.T) {
	var handled sync.Map // request id → times
	h := func(_ context.Context, req *Request, resp *Response) {
		n, _ := handled.LoadOrStore(string(req.RequestID), new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
		echo(nil, req, resp) //nolint:staticcheck // echo needs no context
	}
	var current atomic.Pointer[pair]
	current.Store(loopback(t, h))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var answered, repeated atomic.Int64
	for caller := range 8 {
		wg.Go(func() {
			var x Exchange
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				body := noise(uint64(caller*1000+i), 10+i%40_000)
				for {
					post(&x, body)
					x.Request.RequestID = fmt.Appendf(nil, "%d-%d", caller, i)
					err := current.Load().conn.Do(&x)
					if err == nil {
						break
					}
					if e, ok := errors.AsType[*Error](err); !ok || e.Begun {
						t.Errorf("caller %d: %v", caller, err)
						return
					}
					repeated.Add(1)
				}
				answered.Add(1)
				if string(x.Response.Body) != string(body) {
					t.Errorf("caller %d got another answer", caller)
				}
			}
		})
	}
	for range 20 {
		next := loopback(t, h)
		before := answered.Load()
		eventually(t, "some exchanges", func() bool { return answered.Load() > before+20 })
		old := current.Swap(next)
		old.stopServer()
		if err := errors.Join(await(t, old.clientEnd), await(t, old.serverEnd)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	count := int64(0)
	handled.Range(func(key, n any) bool {
		count++
		if n.(*atomic.Int32).Load() != 1 {
			t.Errorf("request %s was handled %d times", key, n.(*atomic.Int32).Load())
		}
		return true
	})
	t.Logf("%d answered, %d repeated", answered.Load(), repeated.Load())
	if count < answered.Load() {
		t.Errorf("%d requests handled, %d answered", count, answered.Load())
	}
}
