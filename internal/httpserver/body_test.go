package httpserver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/conf"
)

// TestBodiesArriveWhole sends bodies of every awkward length, with and without a known length, over one connection.
func TestBodiesArriveWhole(t *testing.T) {
	cfg := testConfig()
	cfg.MaxBody, cfg.MaxBodyMemory = 4*conf.MiB, 16*conf.MiB
	r := start(t, cfg, echo)
	for _, n := range []int{0, 1, 1023, 1024, 8191, 8192, 8193, 16383, 16384, 16385, 40000, 1 << 20, 1<<20 + 1, 4 << 20} {
		want := make([]byte, n)
		rng := rand.NewChaCha8([32]byte{byte(n)})
		_, _ = rng.Read(want)
		for _, chunked := range []bool{false, true} {
			var body io.Reader = bytes.NewReader(want)
			if chunked {
				body = io.MultiReader(body) // hides the length
			}
			resp, err := http.Post("http://"+r.addr, "application/octet-stream", body)
			if err != nil {
				t.Fatalf("%d bytes, chunked %t: %v", n, chunked, err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, chunked %t: got %d, %d bytes, %v", n, chunked, resp.StatusCode, len(got), err)
			}
		}
	}
	if open := r.Stats().Accepted; open != 1 {
		t.Errorf("used %d connections, want the same one", open)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "all body memory given back", func() bool { return r.Stats().BodyBytes == 0 })
}

// TestResponseMayAliasRequest: a handler may answer with the very bytes it was asked with, while other connections
// reuse buffers as fast as they can.
func TestResponseMayAliasRequest(t *testing.T) {
	cfg := testConfig()
	cfg.MaxBody, cfg.MaxBodyMemory = conf.MiB, 16*conf.MiB
	r := start(t, cfg, func(ctx *fasthttp.RequestCtx) { ctx.Response.SetBodyRaw(ctx.PostBody()) })
	var wg sync.WaitGroup
	for tenant := range 8 {
		wg.Go(func() {
			client := http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			want := strings.Repeat(string(rune('a'+tenant)), 20000*(1+tenant))
			for range 100 {
				resp, err := client.Post("http://"+r.addr, "text/plain", strings.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(got) != want {
					t.Errorf("tenant %c got somebody else's bytes", 'a'+tenant)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestPipelinedRequestsKeepTheirBodies(t *testing.T) {
	r := start(t, testConfig(), echo)
	c := r.dial(t)
	var wire strings.Builder
	for i := range 50 {
		body := strings.Repeat(fmt.Sprint(i), 1+i*10)
		fmt.Fprintf(&wire, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	if _, err := io.WriteString(c, wire.String()); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	for i := range 50 {
		if _, body, _ := readAnswer(t, br); body != strings.Repeat(fmt.Sprint(i), 1+i*10) {
			t.Errorf("answer %d: got %.40q", i, body)
		}
	}
}

// TestTooLargeIsHeard: the client reads its 413 although it sends on and on.
func TestTooLargeIsHeard(t *testing.T) {
	cfg := testConfig()
	r := start(t, cfg, func(*fasthttp.RequestCtx) { t.Error("the handler saw the body") })
	const size = 100 << 20

	t.Run("net/http", func(t *testing.T) {
		resp, err := http.Post("http://"+r.addr, "application/octet-stream", io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		wantError(t, resp, string(body), 413, "request body is larger than 64KiB (max_body)")
	})
	for name, head := range map[string]string{
		"raw socket":          fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size),
		"raw socket, chunked": fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", size),
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial(t)
			if _, err := io.WriteString(c, head); err != nil {
				t.Fatal(err)
			}
			// A simple client: it sends everything before it reads anything.
			if n, err := io.CopyN(c, zeros{}, size); err != nil {
				t.Fatalf("the connection broke after %d bytes: %v", n, err)
			}
			resp, body, _ := readAnswer(t, bufio.NewReader(c))
			wantError(t, resp, body, 413, "request body is larger than 64KiB (max_body)")
		})
	}
	t.Run("before a byte of it", func(t *testing.T) {
		began := time.Now()
		resp, body, _ := r.raw(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n")
		wantError(t, resp, body, 413, "max_body")
		if waited := time.Since(began); waited > lingerTime {
			t.Errorf("took %s", waited)
		}
	})
	t.Run("expecting 100-continue", func(t *testing.T) {
		resp, body, _ := r.raw(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n")
		wantError(t, resp, body, 413, "max_body")
	})
	if n := r.Stats().BodyBytes; n != 0 {
		t.Errorf("%d bytes of body memory are still counted", n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestExpectContinue(t *testing.T) {
	r := start(t, testConfig(), echo)
	c := r.dial(t)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := br.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hi"); err != nil {
		t.Fatal(err)
	}
	if _, body, closed := readAnswer(t, br); body != "hi" || closed {
		t.Errorf("got %q, closed %t", body, closed)
	}
}

// TestBodyBudget: one body waits half sent, the next does not fit any more, and both memory and service come back.
func TestBodyBudget(t *testing.T) {
	cfg := testConfig()
	cfg.MaxBody, cfg.MaxBodyMemory = conf.MiB, 2*conf.MiB
	r := start(t, cfg, echo)

	hog := r.dial(t)
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<20)
	if _, err := io.WriteString(hog, head+strings.Repeat("x", 600<<10)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hog holds a megabyte", func() bool { return r.Stats().BodyBytes == 1<<20 })

	resp, body, closed := r.raw(t, head+strings.Repeat("y", 1<<20))
	wantError(t, resp, body, 503, "request bodies in flight take more than 2MiB (max_body_memory)")
	if resp.Header.Get("Retry-After") != "1" || !closed {
		t.Errorf("Retry-After %q, closed %t", resp.Header.Get("Retry-After"), closed)
	}
	if resp, _, _ := r.raw(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"); resp.StatusCode != 200 {
		t.Errorf("a small body: got %d, want 200 whatever the budget", resp.StatusCode)
	}
	hog.Close()
	eventually(t, "the memory is back", func() bool { return r.Stats().BodyBytes == 0 })
	if resp, body, _ := r.raw(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"+strings.Repeat("y", 20000)); resp.StatusCode != 200 || len(body) != 20000 {
		t.Errorf("afterwards: got %d with %d bytes", resp.StatusCode, len(body))
	}
	if n := r.Stats().BodiesRejected; n != 1 {
		t.Errorf("counted %d rejected bodies, want 1", n)
	}
}

// TestPromisesTakeNoMemory: a thousand clients that announce a large body and send a little hold little.
func TestPromisesTakeNoMemory(t *testing.T) {
	cfg := testConfig()
	cfg.MaxBody, cfg.MaxBodyMemory = conf.GiB, conf.GiB
	r := start(t, cfg, echo)
	for range 50 {
		c := r.dial(t)
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n"+strings.Repeat("x", 20<<10)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all have been received", func() bool { return r.Stats().BodyBytes == 50*(32<<10) })
	for c := range r.open() {
		c.Close()
	}
	eventually(t, "all have been dropped", func() bool { return r.Stats().Open == 0 })
}

// open is every connection the server has.
func (r *running) open() func(yield func(net.Conn) bool) {
	return func(yield func(net.Conn) bool) {
		r.eachConn(func(c *conn) { yield(c.TCPConn) })
	}
}

func TestTruncatedBody(t *testing.T) {
	r := start(t, testConfig(), func(*fasthttp.RequestCtx) { t.Error("the handler saw half a body") })
	for wire, text := range map[string]string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nxxx":                              "request body ended after 3 of 20 bytes",
		"POST / HTTP/1.1\r\nHost":                                                                  "request ended before it was complete",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 10000): "request body ended after 10000 of 20000 bytes",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab":                  "malformed chunked request body after 2 bytes",
	} {
		c := r.dial(t)
		if _, err := io.WriteString(c, wire); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		resp, body, _ := readAnswer(t, bufio.NewReader(c))
		wantError(t, resp, body, 400, text)
	}
}

func TestLargeAnswersDoNotStayInMemory(t *testing.T) {
	var kept int
	r := start(t, testConfig(), func(ctx *fasthttp.RequestCtx) {
		kept = cap(ctx.Response.SwapBody(nil))
		ctx.SetBody(make([]byte, 1<<20))
	})
	c := r.dial(t)
	br := bufio.NewReader(c)
	for range 2 {
		if _, err := io.WriteString(c, get); err != nil {
			t.Fatal(err)
		}
		if _, body, _ := readAnswer(t, br); len(body) != 1<<20 {
			t.Fatalf("got %d bytes", len(body))
		}
	}
	if kept > 64<<10 {
		t.Errorf("the connection kept a buffer of %d bytes", kept)
	}
}
