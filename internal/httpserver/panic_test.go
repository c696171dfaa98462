package httpserver

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestPanicCostsOneRequest(t *testing.T) {
	var log bytes.Buffer
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := startOn(t, ln, New("edge", testConfig(), func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Path()) == "/boom" {
			ctx.SetBodyString("half an answer")
			_ = ctx.PostBody()[999]
		}
	}, slog.New(slog.NewTextHandler(&log, nil))))

	resp, body, closed := r.raw(t, "POST /boom HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
	wantError(t, resp, body, 500, "internal error")
	if !closed {
		t.Error("the connection stayed open")
	}
	if resp, _, _ := r.raw(t, get); resp.StatusCode != 200 {
		t.Errorf("the next request: got %d, want 200", resp.StatusCode)
	}
	if n := r.Stats().Panics; n != 1 {
		t.Errorf("counted %d panics, want 1", n)
	}
	r.stop()
	r.wait(t)
	for _, part := range []string{"level=ERROR", "server=edge", "index out of range [999]", "target=/boom", "panic_test.go"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %q:\n%s", part, log.String())
		}
	}
}

func TestRefusalsAreObserved(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New("edge", testConfig(), func(ctx *fasthttp.RequestCtx) { WriteError(ctx, 404, "no such thing") }, slog.New(slog.DiscardHandler))
	type refusal struct {
		status         int
		target, reason string
	}
	seen := make(chan refusal, 10)
	s.ObserveRefusals(func(ctx *fasthttp.RequestCtx, status int, reason string) {
		seen <- refusal{status, string(ctx.RequestURI()), reason}
	})
	r := startOn(t, ln, s)
	r.raw(t, "POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
	if got, want := <-seen, (refusal{413, "/big", "request body is larger than 64KiB (max_body)"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	resp, body, closed := r.raw(t, get)
	wantError(t, resp, body, 404, "no such thing")
	if closed || len(seen) != 0 {
		t.Errorf("a handler's own error: closed %t, observed %d times", closed, len(seen))
	}
}
