package httpserver

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"ganglion/internal/conf"
)

// screened runs a server that has no use for bodies from a certain path, and whose judge breaks on another.
func screened(t *testing.T) *running {
	t.Helper()
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.MaxBody, cfg.MaxBodyMemory = 128*conf.MiB, conf.GiB
	s := New("test", cfg, func(ctx *fasthttp.RequestCtx) { fmt.Fprintf(ctx, "%d bytes", len(ctx.PostBody())) }, slog.New(slog.DiscardHandler))
	s.Screen(func(h *fasthttp.RequestHeader) bool {
		if string(h.RequestURI()) == "/broken" {
			panic("a bug")
		}
		return string(h.RequestURI()) == "/full"
	}, func(ctx *fasthttp.RequestCtx) {
		WriteError(ctx, fasthttp.StatusServiceUnavailable, "no room for "+string(ctx.Path()))
	})
	return startOn(t, ln, s)
}

func posting(path string, length int, lines ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n", path, length, strings.Join(lines, ""))
}

func TestUnwantedBodyIsNotReceived(t *testing.T) {
	const large = 100 << 20
	r := screened(t)
	t.Run("before a byte of it", func(t *testing.T) {
		resp, body, closed := r.raw(t, posting("/full", large))
		wantError(t, resp, body, 503, "no room for /full")
		if !closed {
			t.Error("the connection was kept, in which the body would be taken for the next request")
		}
	})
	t.Run("instead of 100 Continue", func(t *testing.T) {
		resp, body, _ := r.raw(t, posting("/full", large, "Expect: 100-continue\r\n"))
		wantError(t, resp, body, 503, "no room for /full")
	})
	t.Run("from a client that sends all before it reads", func(t *testing.T) {
		c := r.dial(t)
		if _, err := io.WriteString(c, posting("/full", large)); err != nil {
			t.Fatal(err)
		}
		if n, err := io.CopyN(c, zeros{}, large); err != nil {
			t.Fatalf("the connection broke after %d bytes: %v", n, err)
		}
		resp, body, _ := readAnswer(t, bufio.NewReader(c))
		wantError(t, resp, body, 503, "no room for /full")
	})
	t.Run("from Go's client, which goes on", func(t *testing.T) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for range 3 {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr+"/full", io.LimitReader(zeros{}, large))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = large
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if wantError(t, resp, string(body), 503, "no room for /full"); err != nil {
				t.Error(err)
			}
		}
	})
	if n := r.Stats().BodyBytes; n != 0 {
		t.Errorf("%d bytes of body memory are still counted", n)
	}
}

func TestOtherBodiesAreReceived(t *testing.T) {
	r := screened(t)
	for _, c := range []struct {
		path   string
		length int
	}{{"/full", screenAbove}, {"/free", screenAbove + 1}, {"/broken", screenAbove + 1}} {
		conn := r.dial(t)
		br := bufio.NewReader(conn)
		for range 2 { // over one connection
			if _, err := io.WriteString(conn, posting(c.path, c.length)+strings.Repeat("x", c.length)); err != nil {
				t.Fatal(err)
			}
			if resp, body, closed := readAnswer(t, br); resp.StatusCode != 200 || body != fmt.Sprint(c.length, " bytes") || closed {
				t.Errorf("%s with %d bytes: got %d %q, closed %t", c.path, c.length, resp.StatusCode, body, closed)
			}
		}
	}
	if n := r.Stats().Panics; n != 2 {
		t.Errorf("%d panics are counted, want two", n)
	}
}
