package httpserver

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

const switching = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n"

// upgrade has serve speak on every connection.
func upgrade(serve func(context.Context, net.Conn)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		ctx.SetStatusCode(fasthttp.StatusSwitchingProtocols)
		ctx.Response.Header.Set("Connection", "Upgrade")
		ctx.Response.Header.Set("Upgrade", "lines")
		Hijack(ctx, serve)
	}
}

// echoLines answers each line with itself until the client or the server ends.
func echoLines(ctx context.Context, nc net.Conn) {
	defer context.AfterFunc(ctx, func() { nc.SetReadDeadline(time.Unix(1, 0)) })()
	in := bufio.NewReader(nc)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			io.WriteString(nc, "bye\n")
			nc.Close()
			return
		}
		io.WriteString(nc, line)
	}
}

// switched dials, upgrades and returns the connection with a reader behind the head of the 101.
func (r *running) switched(t *testing.T, more string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := r.dial(t)
	io.WriteString(c, switching+more)
	in := bufio.NewReader(c)
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err != nil || first && !strings.HasPrefix(line, "HTTP/1.1 101 ") {
			t.Fatalf("%q, %v", line, err)
		}
		if line == "\r\n" {
			return c, in
		}
	}
}

func wantLine(t *testing.T, in *bufio.Reader, want string) {
	t.Helper()
	if line, err := in.ReadString('\n'); err != nil || line != want {
		t.Fatalf("read %q, %v; want %q", line, err, want)
	}
}

// What the client sent behind its request is not lost, and the connection counts until it is over.
func TestHijackedConnection(t *testing.T) {
	r := start(t, testConfig(), upgrade(echoLines))
	c, in := r.switched(t, "early\n")
	wantLine(t, in, "early\n")
	io.WriteString(c, "late\n")
	wantLine(t, in, "late\n")
	if open := r.Stats().Open; open != 1 {
		t.Errorf("%d connections are open, want 1", open)
	}
	c.Close()
	eventually(t, "the end of the connection", func() bool { return r.Stats().Open == 0 })
}

// The drain tells those who have hijacked connections, and waits for them.
func TestDrainWaitsForHijackedConnections(t *testing.T) {
	told, finish := make(chan struct{}), make(chan struct{})
	r := start(t, testConfig(), upgrade(func(ctx context.Context, nc net.Conn) {
		<-ctx.Done()
		close(told)
		<-finish
		echoLines(ctx, nc)
	}))
	_, in := r.switched(t, "")
	r.stop()
	receive(t, "word of the drain", told)
	select {
	case err := <-r.done:
		t.Fatalf("Run returned before the connection was over: %v", err)
	case <-time.After(2 * lastCall):
	}
	close(finish)
	wantLine(t, in, "bye\n")
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
}

// One that does not end is cut.
func TestDrainCutsHijackedConnections(t *testing.T) {
	cfg := testConfig()
	cfg.DrainTimeout = 50 * time.Millisecond
	ended := make(chan struct{})
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New("test", cfg, upgrade(func(_ context.Context, nc net.Conn) {
		io.Copy(io.Discard, nc)
		close(ended)
	}), slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	r := &running{Server: s, addr: ln.Addr().String(), stop: stop, done: done}
	r.switched(t, "")
	stop()
	if err := r.wait(t); err == nil || !strings.Contains(err.Error(), "1 connections were still busy") {
		t.Errorf("Run: %v", err)
	}
	receive(t, "the end of the connection", ended)
}

// A panic on a hijacked connection costs that connection.
func TestHijackedConnectionThatPanics(t *testing.T) {
	r := start(t, testConfig(), upgrade(func(context.Context, net.Conn) { panic("at large") }))
	_, in := r.switched(t, "")
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
	eventually(t, "the panic counted", func() bool { st := r.Stats(); return st.Panics == 1 && st.Open == 0 })
}
