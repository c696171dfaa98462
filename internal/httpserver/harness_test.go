package httpserver

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"ganglion/internal/conf"
)

func TestMain(m *testing.M) {
	if helperMain() {
		return
	}
	goleak.VerifyTestMain(m,
		// fasthttp refreshes the Date header once a second for the life of the process.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// running is a server under test and the end of its Run.
type running struct {
	*Server
	addr string
	stop context.CancelFunc
	done chan error
}

func testConfig() Config {
	var c Config
	c.SetDefaults()
	c.MaxBody = 64 * conf.KiB
	c.MaxBodyMemory = conf.MiB
	c.DrainTimeout = 20 * time.Second
	return c
}

// start serves h on a free port until the test ends, and fails the test if the drain then is not clean.
func start(t *testing.T, cfg Config, h fasthttp.RequestHandler) *running {
	t.Helper()
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, ln, New("test", cfg, h, slog.New(slog.DiscardHandler)))
}

func startOn(t *testing.T, ln net.Listener, s *Server) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Server: s, addr: ln.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := r.wait(t); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// wait returns what Run returned; it may be called again.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(40 * time.Second):
		t.Fatal("Run did not return within 40 s")
		return nil
	}
}

func echo(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/plain")
	ctx.SetBody(ctx.PostBody())
}

// dial opens a raw connection that gives up after half a minute.
func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// raw sends wire on a fresh connection and returns the one answer it gets, and whether the server then closed.
func (r *running) raw(t *testing.T, wire string) (resp *http.Response, body string, closed bool) {
	t.Helper()
	c := r.dial(t)
	if _, err := io.WriteString(c, wire); err != nil {
		t.Fatalf("send: %v", err)
	}
	return readAnswer(t, bufio.NewReader(c))
}

func readAnswer(t *testing.T, br *bufio.Reader) (resp *http.Response, body string, closed bool) {
	t.Helper()
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read the body of the answer: %v", err)
	}
	if resp.Close {
		if _, err := br.ReadByte(); err != io.EOF {
			t.Errorf("after Connection: close: got %v, want EOF", err)
		}
	}
	return resp, string(b), resp.Close
}

// errorOf is the text of {"error":"…"}, or a description of what the body is instead.
func errorOf(resp *http.Response, body string) string {
	var e struct{ Error string }
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error == "" || resp.Header.Get("Content-Type") != "application/json" {
		return "not a JSON error: " + resp.Header.Get("Content-Type") + " " + body
	}
	return e.Error
}

// wantError checks that an answer is a JSON error with this status and text.
func wantError(t *testing.T, resp *http.Response, body string, status int, text string) {
	t.Helper()
	if got := errorOf(resp, body); resp.StatusCode != status || !strings.Contains(got, text) {
		t.Errorf("got %d %s\nwant %d %s", resp.StatusCode, got, status, text)
	}
}

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
