package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/internal/hop"
)

// A client and a node of plain sockets that allocate nothing, so that what is allocated during a request is the
// gateway's.

// plainNode answers each request, which must arrive in one piece, with the same bytes.
func plainNode(t testing.TB, body string) (address string) {
	t.Helper()
	reply := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return rawNode(t, func([]byte) []byte { return reply })
}

// rawNode writes what answer returns for each piece that arrives, or nothing where that is nil. Without an allocation, so that those of the
// gateway can be counted beside it.
func rawNode(t testing.TB, answer func(piece []byte) []byte) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 16<<10)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					if reply := answer(buf[:n]); reply != nil {
						if _, err := c.Write(reply); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// hopNode answers each exchange of the hop with the same bytes. Nothing else on its port answers.
func hopNode(t testing.TB, body string) (address string) {
	t.Helper()
	server, err := hop.NewServer(func(_ context.Context, _ *hop.Request, resp *hop.Response) {
		resp.Status, resp.ContentType = 200, jsonType
		resp.Body = append(resp.Body[:0], body...)
	}, hop.DefaultConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() { ln.Close(); stop(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				buf := make([]byte, 4<<10)
				n, _ := c.Read(buf)
				if !bytes.Contains(buf[:n], []byte("Upgrade: ")) { // a probe
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					c.Close()
					return
				}
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: "+hop.Token+"\r\n\r\n")
				_ = server.Serve(ctx, c)
			})
		}
	})
	return ln.Addr().String()
}

var jsonType = []byte("application/json")

// plainClient sends the same request again and again.
type plainClient struct {
	net.Conn
	request []byte
	buf     []byte
}

func newPlainClient(t testing.TB, address string) *plainClient {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &plainClient{Conn: c, buf: make([]byte, 16<<10), request: fmt.Appendf(nil,
		"POST /v2/models/m/infer HTTP/1.1\r\nHost: edge\r\nUser-Agent: test/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		len(inferBody), inferBody)}
}

// ask sends one request and reads its answer.
func (c *plainClient) ask(t testing.TB) []byte {
	if _, err := c.Write(c.request); err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		m, err := c.Read(c.buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
		if bytes.HasSuffix(c.buf[:n], []byte("]}]}")) {
			return c.buf[:n]
		}
	}
}

const plainAnswer = `{"model_name":"m","model_version":"1","id":"1","outputs":[{"name":"probs","datatype":"FP32","shape":[1,10],` +
	`"data":[0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.55]}]}`

// startPlain runs a gateway in front of one plain node.
func startPlain(t testing.TB, route string) *plainClient {
	t.Helper()
	client, _ := startHot(t, plainNode(t, plainAnswer), route)
	return client
}

// startHop runs a gateway in front of one node that speaks the hop.
func startHop(t testing.TB) *plainClient {
	t.Helper()
	client, g := startHot(t, hopNode(t, plainAnswer), "")
	eventually(t, "the hop", func() bool { return g.Status().Pools[0].Nodes[0].Transport == "hop" })
	return client
}

func startHot(t testing.TB, node, route string) (*plainClient, *Gateway) {
	t.Helper()
	return startConfigured(t, fmt.Sprintf("[server]\ngrpc = \"\"\ndrain_delay = \"0s\"\n[pools.main]\nnodes = [{ address = %q }]\nhealth = { interval = \"1h\", doubt_interval = \"1h\", rise = 1 }\n"+
		"[routes.m]\npool = \"main\"\n%s", node, route))
}

func startConfigured(t testing.TB, config string) (*plainClient, *Gateway) {
	t.Helper()
	cfg, _, err := ParseConfig("hot.toml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(cfg, Options{Version: "test", Log: quiet, AccessLog: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, ln, nil) }()
	client := newPlainClient(t, ln.Addr().String())
	t.Cleanup(func() { client.Close(); cancel(); <-done })
	eventually(t, "the gateway ready", func() bool { return g.Ready() == nil })
	return client, g
}

func TestAllocationsPerProxiedRequest(t *testing.T) {
	allocations(t, startPlain(t, ""), "")
}

func TestAllocationsPerHopRequest(t *testing.T) {
	allocations(t, startHop(t), "")
}

// A pool that hedges pays for a timer, which is there already.
func TestAllocationsPerRequestThatCouldBeHedged(t *testing.T) {
	c := startPlain(t, "[pools.main.hedge]\nmin_delay = \"1h\"\n")
	allocations(t, c, "")
}

func TestAllocationsPerCachedRequest(t *testing.T) {
	c := startPlain(t, "cache = { ttl = \"1h\" }\n")
	eventually(t, "a hit", func() bool { return bytes.Contains(c.ask(t), []byte("X-Cache: hit")) })
	allocations(t, c, "X-Cache: hit")
}

func allocations(t *testing.T, c *plainClient, with string) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for range 1000 { // fill the pools
		c.ask(t)
	}
	got := testing.AllocsPerRun(5000, func() { c.ask(t) })
	if !strings.Contains(string(c.ask(t)), with) {
		t.Fatalf("the answer has no %q", with)
	}
	if got > 0 {
		t.Errorf("%v allocations per request, want none", got)
	}
}

func BenchmarkProxied(b *testing.B) { benchmark(b, startPlain(b, "")) }

func BenchmarkHop(b *testing.B) { benchmark(b, startHop(b)) }

func BenchmarkCached(b *testing.B) { benchmark(b, startPlain(b, "cache = { ttl = \"1h\" }\n")) }

func benchmark(b *testing.B, c *plainClient) {
	time.Sleep(10 * time.Millisecond)
	b.ReportAllocs()
	for b.Loop() {
		c.ask(b)
	}
}
