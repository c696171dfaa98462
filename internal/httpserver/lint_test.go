package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestMalformedRequestsAreRefused(t *testing.T) {
	called := false
	r := start(t, testConfig(), func(*fasthttp.RequestCtx) { called = true })
	tests := []struct {
		name, wire string
		status     int
		text       string
	}{
		{"version 9.9", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505, "HTTP version is not supported"},
		{"version 2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "HTTP version is not supported"},
		{"version nonsense", "GET / HTTX/1.1\r\nHost: x\r\n\r\n", 400, "malformed request: unsupported http version"},
		{"no version", "GET /\r\nHost: x\r\n\r\n", 400, "malformed request: cannot find whitespace in the first line"},
		{"CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method is not allowed"},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method is not allowed"},
		{"unknown method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "method is not implemented"},
		{"lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "method is not implemented"},
		{"method of 100 KB", strings.Repeat("A", 100<<10) + " / HTTP/1.1\r\n", 431, "larger than 16KiB (max_header)"},
		{"absolute target", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request target"},
		{"asterisk target", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed request: invalid request uri"},
		{"non-ASCII target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request target"},
		{"overlong UTF-8 target", "GET /\xc0\xaf HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request target"},
		{"backslash target", "GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request target"},
		{"fragment target", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request target"},
		{"NUL target", "GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed request"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "malformed request"},
		{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "malformed request"},
		{"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "malformed request: too many host headers"},
		{"host with userinfo", "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", 400, "Host header"},
		{"host with path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400, "malformed request: invalid character"},
		{"obs-fold", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400, "must not be folded"},
		{"obs-fold with tab", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", 400, "must not be folded"},
		{"bare LF", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, "must end in CRLF"},
		{"bare CR", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400, "malformed request: invalid header value"},
		{"NUL in value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400, "malformed request: invalid header value"},
		{"NUL in name", "GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n", 400, "malformed request"},
		{"blank before colon", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400, "malformed request: invalid header key"},
		{"blank in name", "GET / HTTP/1.1\r\nHost: x\r\nContent Length: 5\r\n\r\n", 400, "must not contain blanks"},
		{"no colon", "GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", 400, "malformed request"},
		{"101 headers", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n", 431, "more than 100 header lines"},
		{"headers of 17 KiB", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", 17<<10) + "\r\n\r\n", 431, "larger than 16KiB (max_header)"},
		{"length and coding", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "exclude each other"},
		{"coding and length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, "exclude each other"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400, "more than one Content-Length"},
		{"list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na", 400, "malformed request"},
		{"signed length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400, "malformed request"},
		{"length beyond int64", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\na", 400, "malformed request"},
		{"gzip coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "transfer coding"},
		{"gzip, chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "transfer coding"},
		{"identity coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na", 501, "transfer coding"},
		{"two codings", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, "transfer coding"},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, "transfer coding"},
		{"odd expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\na", 417, "use 100-continue"},
		{"bad chunk size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "malformed chunked request body after 0 bytes"},
		{"bad chunk end", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400, "malformed chunked request body"},
		{"LF in chunk size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400, "malformed chunked request body"},
		{"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "malformed request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := r.Stats().BadRequests
			resp, body, closed := r.raw(t, tt.wire)
			wantError(t, resp, body, tt.status, tt.text)
			if !closed {
				t.Error("the connection stayed open")
			}
			if tt.status == 405 && resp.Header.Get("Allow") != allowedMethods {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
			if n := r.Stats().BadRequests - before; n != 1 {
				t.Errorf("counted %d bad requests, want 1", n)
			}
		})
	}
	if called {
		t.Error("the handler saw a malformed request")
	}
}

func TestUnusualRequestsAreServed(t *testing.T) {
	r := start(t, testConfig(), echo)
	tests := []struct{ name, wire, body string }{
		{"HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "hi"},
		{"IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ""},
		{"underscore in host", "GET / HTTP/1.1\r\nHost: my_service:80\r\n\r\n", ""},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		{"UTF-8 in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: é\r\n\r\n", ""},
		{"blank line first", "\r\n" + get, ""},
		{"chunks, extensions and trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n1;a=b\r\nh\r\n1\r\ni\r\n0\r\nX: y\r\n\r\n", "hi"},
		{"GET with body", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "hi"},
		{"POST without length", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		{"multipart", "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 2\r\n\r\nhi", "hi"},
		{"JWT of 8 KiB twice less room for the rest", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", 8000) + "\r\nB: " + strings.Repeat("b", 8000) + "\r\n\r\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if resp, body, _ := r.raw(t, tt.wire); resp.StatusCode != 200 || body != tt.body {
				t.Errorf("got %d %q, want 200 %q", resp.StatusCode, body, tt.body)
			}
		})
	}
}

func TestUnderscoredHeadersAreDropped(t *testing.T) {
	r := start(t, testConfig(), func(ctx *fasthttp.RequestCtx) {
		ctx.SetBodyString(string(ctx.Request.Header.Peek("X_Request_Id")) + "|" + string(ctx.Request.Header.Peek("X-Request-Id")) +
			"|" + string(ctx.Request.Header.Peek("A_b")))
	})
	_, body, _ := r.raw(t, "GET / HTTP/1.1\r\nHost: x\r\nX_Request_Id: evil\r\nX-Request-Id: good\r\na_B: 1\r\nA_b: 2\r\n\r\n")
	if body != "|good|" {
		t.Errorf("got %q, want only the proper header", body)
	}
}

// TestNothingFollowsARefusal: what stands behind a refused request on the wire must not be taken for a request.
func TestNothingFollowsARefusal(t *testing.T) {
	served := 0
	r := start(t, testConfig(), func(*fasthttp.RequestCtx) { served++ })
	for _, head := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: u@x\r\nContent-Length: 5\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
		"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		resp, _, closed := r.raw(t, head+get)
		if resp.StatusCode < 400 || !closed {
			t.Errorf("%q: got %d, closed %t", head, resp.StatusCode, closed)
		}
	}
	if served != 0 {
		t.Errorf("served %d smuggled requests", served)
	}
}

// FuzzLint holds that what the lint lets pass, net/http's parser reads as the same request.
func FuzzLint(f *testing.F) {
	for _, s := range []string{
		get, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x:1\r\nContent-Length: 2\r\nA_b: c\r\n\r\n{}",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "OPTIONS * HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\nA: b\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var h fasthttp.RequestHeader
		if h.Read(bufio.NewReaderSize(bytes.NewReader(wire), 16<<10)) != nil || lint(&h) != none {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(wire, "\r\n"))))
		if err != nil {
			t.Fatalf("accepted %q, net/http says %v", wire, err)
		}
		if string(h.Method()) != req.Method || string(h.RequestURI()) != req.RequestURI || string(h.Host()) != req.Host {
			t.Errorf("%q\nours  %s %s %s\ntheirs %s %s %s", wire, h.Method(), h.RequestURI(), h.Host(), req.Method, req.RequestURI, req.Host)
		}
		if want := int(req.ContentLength); want != h.ContentLength() && (want != 0 || h.ContentLength() != -2) {
			t.Errorf("%q: our length %d, theirs %d", wire, h.ContentLength(), want)
		}
	})
}

// FuzzConnection holds that whatever a client sends, the server lives, answers in well-formed HTTP, with JSON wherever it
// refuses, and ends the connection when the client does.
func FuzzConnection(f *testing.F) {
	for _, s := range []string{
		get + get, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nhi\r\n0\r\nA: b\r\n\r\n" + get,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi", "HEAD / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", "\x16\x03\x01", "GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	s := New("fuzzed", testConfig(), echo, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	f.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, wire []byte) {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		c.Write(wire)
		c.(*net.TCPConn).CloseWrite()
		for br := bufio.NewReader(c); ; {
			if _, err := br.Peek(1); err == io.EOF {
				break
			}
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatalf("%q: answer is malformed: %v", wire, err)
			}
			if bytes.Contains(wire, []byte("HEAD")) {
				return // its answer has a length but no body, and which one that is we would have to parse
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatalf("%q: answer is cut: %v", wire, err)
			}
			if resp.StatusCode >= 400 && strings.HasPrefix(errorOf(resp, string(body)), "not a JSON error") {
				t.Errorf("%q: %d %s", wire, resp.StatusCode, errorOf(resp, string(body)))
			}
		}
		if n := s.Stats().Panics; n != 0 {
			t.Fatalf("%q: %d panics", wire, n)
		}
	})
}
