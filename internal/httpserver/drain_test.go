package httpserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, testConfig(), func(ctx *fasthttp.RequestCtx) {
		close(entered)
		<-leave
		ctx.SetBodyString("done")
	})
	c := r.dial(t)
	if _, err := io.WriteString(c, get); err != nil {
		t.Fatal(err)
	}
	<-entered
	r.stop()
	eventually(t, "new connections are refused", func() bool {
		nc, err := net.Dial("tcp", r.addr)
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
	select {
	case err := <-r.done:
		t.Fatalf("Run returned %v before the exchange was over", err)
	default:
	}
	close(leave)
	if _, body, closed := readAnswer(t, bufio.NewReader(c)); body != "done" || !closed {
		t.Errorf("got %q, closed %t", body, closed)
	}
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
}

func TestDrainClosesIdleConnectionsSoon(t *testing.T) {
	cfg := testConfig()
	cfg.IdleTimeout = time.Minute
	r := start(t, cfg, echo)
	used, fresh, busy := r.dial(t), r.dial(t), r.dial(t)
	brUsed, brBusy := bufio.NewReader(used), bufio.NewReader(busy)
	for c, br := range map[net.Conn]*bufio.Reader{used: brUsed, busy: brBusy} {
		if _, err := io.WriteString(c, get); err != nil {
			t.Fatal(err)
		}
		readAnswer(t, br)
	}
	eventually(t, "all are in", func() bool { return r.Stats().Open == 3 })

	began := time.Now()
	r.stop()
	eventually(t, "the drain has begun", r.draining.Load)
	_, err := io.WriteString(busy, get)
	if late := time.Since(began) >= lastCall; !late && err != nil {
		t.Fatal(err)
	} else if _, err := brBusy.Peek(1); err == nil || !late { // who is late may find it closed
		if resp, _, closed := readAnswer(t, brBusy); resp.StatusCode != 200 || !closed {
			t.Errorf("a last request: got %d, closed %t", resp.StatusCode, closed)
		}
	}
	for name, br := range map[string]io.Reader{"used": brUsed, "fresh": fresh} {
		if n, err := br.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%s connection: got %d bytes, %v, want EOF", name, n, err)
		}
	}
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > r.cfg.DrainTimeout/2 {
		t.Errorf("the drain took %s with nothing to wait for", took)
	}
}

func TestDrainHasAnEnd(t *testing.T) {
	cfg := testConfig()
	cfg.DrainTimeout = 100 * time.Millisecond
	entered, leave := make(chan struct{}), make(chan struct{})
	s := New("test", cfg, func(*fasthttp.RequestCtx) {
		close(entered)
		<-leave
	}, slog.New(slog.DiscardHandler))
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() { done <- s.Run(ctx, ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, get); err != nil {
		t.Fatal(err)
	}
	<-entered
	cancel()
	err = <-done
	if want := "1 connections were still busy after drain_timeout (100ms) and were cut"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	close(leave)
	s.workers.Wait()
}

// TestNoRequestIsLostInDrain has clients hammer keep-alive connections while the server stops. Each request must be
// answered, unless its connection ended before the server took a byte of it.
func TestNoRequestIsLostInDrain(t *testing.T) {
	var handled atomic.Int64
	r := start(t, testConfig(), func(ctx *fasthttp.RequestCtx) {
		handled.Add(1)
		ctx.SetBody(ctx.PostBody())
	})
	var answered, unseen, turnedAway atomic.Int64
	var clients sync.WaitGroup
	var warm sync.WaitGroup
	for range 32 {
		warm.Add(1)
		clients.Go(func() {
			warmedUp := sync.OnceFunc(warm.Done)
			defer warmedUp()
			for hammer(t, r.addr, &answered, &unseen, &turnedAway, warmedUp) {
			}
		})
	}
	warm.Wait()
	r.stop()
	clients.Wait()
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
	if handled.Load() != answered.Load() {
		t.Errorf("the handler saw %d requests, clients got %d answers", handled.Load(), answered.Load())
	}
	if unseen.Load() > 0 {
		t.Errorf("%d keep-alive connections ended under a request that was sent within %s", unseen.Load(), lastCall)
	}
	t.Logf("%d answered, %d new connections came too late", answered.Load(), turnedAway.Load())
}

// hammer posts over one connection until it ends, and reports whether there is still a server. A request that follows the one before
// within lastCall is seen: the server has been idle for less. Who is held up for longer may meet the close.
func hammer(t *testing.T, addr string, answered, unseen, turnedAway *atomic.Int64, warmedUp func()) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	br := bufio.NewReader(c)
	body := strings.Repeat("x", 20000)
	var before time.Time // the one before was sent
	for first := true; ; first = false {
		sending := time.Now()
		_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"+body)
		prompt := time.Since(before) < lastCall
		before = sending
		var resp *http.Response
		if err == nil {
			resp, err = http.ReadResponse(br, nil)
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || br.Buffered() > 0 {
				t.Errorf("half an answer or none in 10 s: %v", err)
			}
			switch {
			case first:
				turnedAway.Add(1)
			case prompt:
				unseen.Add(1)
			}
			return true
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(got) != body {
			t.Errorf("got %d with %d bytes, %v", resp.StatusCode, len(got), err)
		}
		answered.Add(1)
		warmedUp()
		if resp.Close {
			return true
		}
	}
}

// TestLastLook takes the race apart: what happens to a connection on which the drain and a request meet.
func TestLastLook(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	pair := func(state fasthttp.ConnState) (client net.Conn, c *conn) {
		t.Helper()
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		nc, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c = &conn{TCPConn: nc.(*net.TCPConn), server: New("test", testConfig(), echo, slog.New(slog.DiscardHandler))}
		if err := c.direct.open(c.TCPConn); err != nil {
			t.Fatal(err)
		}
		c.state.Store(int32(state))
		t.Cleanup(func() { c.Close() })
		return client, c
	}
	send := func(client net.Conn) {
		t.Helper()
		if _, err := io.WriteString(client, "hi"); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 10)

	for _, state := range []fasthttp.ConnState{fasthttp.StateIdle, fasthttp.StateNew} {
		client, c := pair(state)
		send(client)
		c.evict()
		eventually(t, "the request is found", func() bool {
			n, err := c.Read(buf)
			if errors.Is(err, io.EOF) { // not through the loopback yet
				c.evict()
			}
			return n == 2
		})
		c.evict()
		if n, err := c.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%v, nothing sent: got %d, %v, want EOF", state, n, err)
		}
	}

	client, c := pair(fasthttp.StateIdle)
	c.evict()
	c.state.Store(int32(fasthttp.StateActive)) // its first bytes have just been read
	send(client)
	if n, err := c.Read(buf); n != 2 || err != nil {
		t.Errorf("the rest of a request that had begun: got %d, %v, want 2 bytes", n, err)
	}
}

// gated holds up its first Accept until the gate opens.
type gated struct {
	*net.TCPListener
	gate chan struct{}
}

func (g *gated) Accept() (net.Conn, error) {
	<-g.gate
	return g.TCPListener.Accept()
}

// TestQueuedConnectionsAreServed: the kernel has accepted them, and their clients have sent, before the drain began.
func TestQueuedConnectionsAreServed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gated{ln.(*net.TCPListener), make(chan struct{})}
	r := startOn(t, g, New("test", testConfig(), echo, slog.New(slog.DiscardHandler)))
	clients := make([]net.Conn, 5)
	for i := range clients {
		clients[i] = r.dial(t)
		if _, err := io.WriteString(clients[i], get); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	eventually(t, "the drain has begun", r.draining.Load)
	close(g.gate)
	for i, c := range clients {
		if resp, _, closed := readAnswer(t, bufio.NewReader(c)); resp.StatusCode != 200 || !closed {
			t.Errorf("client %d: got %d, closed %t", i, resp.StatusCode, closed)
		}
	}
}
