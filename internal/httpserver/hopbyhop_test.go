package httpserver

import (
	"bufio"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

const hopHeaders = "Connection: close, X-Hop, Authorization, te\r\nConnection: content-length, keep-alive, X-Other ,,\r\n" +
	"Keep-Alive: timeout=5\r\nProxy-Authorization: a\r\nProxy-Connection: b\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: c\r\n" +
	"Transfer-Encoding: chunked\r\nTrailer: X-T\r\nX-Hop: d\r\nX-Other: e\r\nAuthorization: f\r\nX-Stays: g\r\nCookie: h=i\r\n"

func TestStripRequest(t *testing.T) {
	var h fasthttp.RequestHeader
	wire := "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + hopHeaders + "\r\n"
	if err := h.Read(bufio.NewReader(strings.NewReader(wire))); err != nil {
		t.Fatal(err)
	}
	StripHopByHop(&h)
	var got []string
	for k := range h.All() {
		got = append(got, string(k))
	}
	slices.Sort(got)
	if want := []string{"Authorization", "Cookie", "Host", "X-Stays"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStripResponse(t *testing.T) {
	var h fasthttp.ResponseHeader
	wire := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nProxy-Authenticate: x\r\n" + hopHeaders + "\r\n"
	if err := h.Read(bufio.NewReader(strings.NewReader(wire))); err != nil {
		t.Fatal(err)
	}
	StripHopByHop(&h)
	var got []string
	for k := range h.All() {
		if string(k) != "Server" && string(k) != "Date" {
			got = append(got, string(k))
		}
	}
	slices.Sort(got)
	if want := []string{"Authorization", "Content-Type", "Cookie", "X-Stays"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if h.ConnectionClose() {
		t.Error("the node's Connection: close would close the client's connection")
	}
}

func TestStripUsualHeaders(t *testing.T) {
	var h fasthttp.RequestHeader
	wire := "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: u\r\nAccept: */*\r\nContent-Length: 0\r\nX-Request-Id: 1\r\n\r\n"
	if err := h.Read(bufio.NewReader(strings.NewReader(wire))); err != nil {
		t.Fatal(err)
	}
	before := h.String()
	StripHopByHop(&h)
	if h.String() != before {
		t.Errorf("got\n%s\nwant\n%s", h.String(), before)
	}
}

// TestStripTrailers: what came after the body must not turn into headers.
func TestStripTrailers(t *testing.T) {
	for _, announced := range []string{"Trailer: X-T\r\n", ""} {
		var resp fasthttp.Response
		wire := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + announced + "\r\n0\r\nX-T: evil\r\n\r\n"
		if err := resp.Read(bufio.NewReader(strings.NewReader(wire))); err != nil {
			t.Fatal(err)
		}
		StripHopByHop(&resp.Header)
		if got := resp.String(); strings.Contains(got, "evil") || strings.Contains(got, "Trailer") {
			t.Errorf("announced %q: got\n%s", announced, got)
		}
	}
}

// TestConnectionCannotTakeAway: what says who asks, for what, and what may be kept of it, reaches the other end.
func TestConnectionCannotTakeAway(t *testing.T) {
	names := []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Content-Disposition",
		"Content-Encoding", "Cookie", "Inference-Header-Content-Length", "Pragma", "Vary", "X-Api-Key",
	}
	wire := "POST / HTTP/1.1\r\nHost: x\r\nConnection: " + strings.ToLower(strings.Join(names, ", ")) + ", accep, x-hop\r\nX-Hop: 1\r\nAccep: 1\r\n"
	for _, name := range names {
		wire += name + ": a=1\r\n"
	}
	var h fasthttp.RequestHeader
	if err := h.Read(bufio.NewReader(strings.NewReader(wire + "\r\n"))); err != nil {
		t.Fatal(err)
	}
	StripHopByHop(&h)
	var got []string
	for k := range h.All() {
		got = append(got, string(k))
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(append(names, "Host"))); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
