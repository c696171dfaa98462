//go:build !race

package httpserver

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/valyala/fasthttp"
)

// exchange is a client and a server connection that a benchmark drives by hand.
type exchange struct {
	client net.Conn
	wire   []byte
	buf    []byte
}

func (e *exchange) roundTrip(tb testing.TB) {
	if _, err := e.client.Write(e.wire); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadFull(e.client, e.buf); err != nil {
		tb.Fatal(err)
	}
}

// serveOne connects a client to a server whose connection is served by serve.
func serveOne(tb testing.TB, wire []byte, serve func(*net.TCPConn)) *exchange {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(nc.(*net.TCPConn))
	}()
	tb.Cleanup(func() {
		client.Close()
		<-done
	})
	if _, err := client.Write(wire); err != nil {
		tb.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := client.Read(buf)
	if err != nil {
		tb.Fatal(err)
	}
	return &exchange{client: client, wire: wire, buf: buf[:n]}
}

var (
	smallGet  = []byte("GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n")
	smallPost = append([]byte("POST /v2/models/iris/infer HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8\r\nAccept: */*\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"), make([]byte, 100)...)
)

func plain(ctx *fasthttp.RequestCtx) {
	ctx.Response.SetBodyRaw(ctx.PostBody())
	StripHopByHop(&ctx.Request.Header)
}

func hardened(tb testing.TB, wire []byte) *exchange {
	s := New("test", testConfig(), plain, slog.New(slog.DiscardHandler))
	s.limit, s.http.Concurrency = 10, 10
	return serveOne(tb, wire, func(tc *net.TCPConn) { s.serveConn(s.admit(tc)) })
}

func TestAllocsPerExchange(t *testing.T) {
	f := func(name string, wire []byte, want float64) {
		t.Helper()
		e := hardened(t, wire)
		if n := testing.AllocsPerRun(1000, func() { e.roundTrip(t) }); n != want {
			t.Errorf("%s: %v allocations, want %v", name, n, want)
		}
	}
	f("GET", smallGet, 0)
	f("POST", smallPost, 0)
}

func BenchmarkPostHardened(b *testing.B) {
	e := hardened(b, smallPost)
	b.ReportAllocs()
	for b.Loop() {
		e.roundTrip(b)
	}
}

func BenchmarkPostBareFasthttp(b *testing.B) {
	s := &fasthttp.Server{Handler: plain, NoDefaultServerHeader: true, LazyRequestTime: true}
	e := serveOne(b, smallPost, func(tc *net.TCPConn) { _ = s.ServeConn(tc) })
	b.ReportAllocs()
	for b.Loop() {
		e.roundTrip(b)
	}
}

func BenchmarkLint(b *testing.B) {
	var h fasthttp.RequestHeader
	if err := h.Read(bufio.NewReader(bytes.NewReader(smallPost))); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if lint(&h) != none {
			b.Fatal("refused")
		}
	}
}

func BenchmarkStripHopByHop(b *testing.B) {
	var h fasthttp.RequestHeader
	if err := h.Read(bufio.NewReader(bytes.NewReader(smallPost))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		StripHopByHop(&h)
	}
}

// Watching costs no memory for each request.
func TestWatchingAllocatesNothing(t *testing.T) {
	var l leaver
	got := make(chan float64, 1)
	r := start(t, testConfig(), func(ctx *fasthttp.RequestCtx) {
		var leaver Leaver = l
		got <- testing.AllocsPerRun(1000, func() { Watch(ctx, leaver); Unwatch(ctx) })
	})
	c := r.dial(t)
	io.WriteString(c, get)
	if n := receive(t, "the count", got); n != 0 {
		t.Errorf("%v allocations for a request that is watched", n)
	}
}
