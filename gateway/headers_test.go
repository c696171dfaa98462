package gateway

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

// raw sends bytes as they are and returns the answer.
func (e *edge) raw(request string) *http.Response {
	e.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		e.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte(request)); err != nil {
		e.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		e.t.Fatalf("no answer to %q: %v", request, err)
	}
	resp.Body.Close()
	return resp
}

func TestWhatANodeGetsToSee(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	resp := e.raw("POST /v2/models/m/infer HTTP/1.1\r\n" +
		"Host: edge.example\r\n" +
		"Connection: keep-alive, X-Secret-Hop, Authorization\r\n" + // Authorization is not theirs to remove
		"X-Secret-Hop: 1\r\n" +
		"Keep-Alive: timeout=5\r\n" +
		"Proxy-Authorization: Basic x\r\n" +
		"TE: trailers\r\n" +
		"Authorization: Bearer t\r\n" +
		"X-Forwarded-For: 6.6.6.6\r\n" +
		"X-Forwarded-Proto: https\r\n" +
		"X-Forwarded-User: root\r\n" +
		"Forwarded: for=6.6.6.6\r\n" +
		"X-Real-IP: 6.6.6.6\r\n" +
		"X-Request-Id: my-id-1\r\n" +
		"X-Custom: one\r\n" +
		"Cookie: a=b\r\n" +
		"User-Agent: test\r\n" +
		"Content-Type: application/json\r\n" +
		"Transfer-Encoding: chunked\r\n\r\n" +
		"4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n")
	if resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	got := n.Last()
	got.Header.Del("X-Request-Timeout-Ms") // deadline_test.go
	want := http.Header{
		"Authorization":     {"Bearer t"},
		"X-Forwarded-For":   {"127.0.0.1"},
		"X-Forwarded-Proto": {"http"},
		"X-Forwarded-Host":  {"edge.example"},
		"X-Request-Id":      {"my-id-1"},
		"X-Custom":          {"one"},
		"Cookie":            {"a=b"},
		"User-Agent":        {"test"},
		"Content-Type":      {"application/json"},
		"Content-Length":    {"7"},
	}
	if fmt.Sprint(got.Header) != fmt.Sprint(want) {
		t.Errorf("the node got\n%v, want\n%v", got.Header, want)
	}
	if string(got.Body) != `{"a":1}` || got.Host != n.Address() {
		t.Errorf("the node got host %q and body %q", got.Host, got.Body)
	}
}

func TestNothingIsAddedThatTheClientDidNotSend(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	e.raw("GET /v2/models/m HTTP/1.1\r\nHost: h\r\n\r\n")
	got := n.Last().Header
	got.Del("X-Request-Id")
	got.Del("X-Request-Timeout-Ms") // deadline_test.go
	if want := "map[X-Forwarded-For:[127.0.0.1] X-Forwarded-Host:[h] X-Forwarded-Proto:[http]]"; fmt.Sprint(got) != want {
		t.Errorf("the node got %v, want %s", got, want)
	}
}

func TestWhatAClientGetsToSee(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.Handle(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Connection", "X-Node-Hop")
		h.Set("X-Node-Hop", "1")
		h.Set("Keep-Alive", "timeout=1")
		h.Set("Proxy-Authenticate", "Basic")
		h.Set("Server", "node/1")
		h.Set("Trailer", "X-T")
		h.Set("X-Kept", "yes")
		h.Set("Inference-Header-Content-Length", "2")
		h["Content-Type"] = nil
		w.Write([]byte("{}"))
		w.Header().Set("X-T", "1")
	})
	got := e.do("POST", inferPath, inferBody, "X-Request-Id: my-id").want(t, 200)
	got.header.Del("Date")
	want := "map[Content-Length:[2] Inference-Header-Content-Length:[2] X-Kept:[yes] X-Request-Id:[my-id]]"
	if fmt.Sprint(got.header) != want {
		t.Errorf("the client got\n%v, want\n%s", got.header, want)
	}
}

// A node says where a request's time went when the client asks for it; the gateway adds what passed at the edge.
func TestTimingOfNodesIsCompleted(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.Handle(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Ganglion-Timing") == "1" {
			w.Header().Set("Server-Timing", "queue;dur=0.5")
		}
	})
	if got := e.do("POST", inferPath, inferBody).want(t, 200).header.Get("Server-Timing"); got != "" {
		t.Errorf("timing that nobody asked for: %s", got)
	}
	got := e.do("POST", inferPath, inferBody, "X-Ganglion-Timing: 1").want(t, 200).header.Get("Server-Timing")
	var upstream, edge float64
	if _, err := fmt.Sscanf(got, "queue;dur=0.5, upstream;dur=%f, edge;dur=%f", &upstream, &edge); err != nil || edge < upstream || upstream <= 0 {
		t.Errorf("timing is %q (%v), want upstream within edge behind what the node said", got, err)
	}
}

// A node that ends its connection must not end the client's.
func TestAClientsConnectionOutlivesTheNodes(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.Handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.Write([]byte("{}"))
	})
	for range 3 {
		if got := e.infer().want(t, 200); got.header.Get("Connection") != "" {
			t.Errorf("the client was told %q", got.header.Get("Connection"))
		}
	}
	if got := e.metric("ganglion_client_connections_total"); got != 1 {
		t.Errorf("the client needed %v connections, want 1", got)
	}
}

func TestRequestIDs(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	for _, sent := range []string{"a", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "svc/42:7+x=_.-", strings.Repeat("x", 128)} {
		if got := e.infer("X-Request-Id: " + sent).header.Get("X-Request-Id"); got != sent {
			t.Errorf("id %q became %q", sent, got)
		}
	}
	seen := map[string]bool{}
	for _, sent := range []string{"", "with space", `"quoted"`, "<x>", strings.Repeat("x", 129)} {
		got := e.infer("X-Request-Id: " + sent).header.Get("X-Request-Id")
		if got == sent || len(got) != 32 || seen[got] {
			t.Errorf("id %q became %q, want 32 new hexadecimal digits", sent, got)
		}
		seen[got] = true
		if at := n.Last().Header.Get("X-Request-Id"); at != got {
			t.Errorf("the node got id %q, the client %q", at, got)
		}
	}
}

func TestHeadsThatDisagreeAboutTheBody(t *testing.T) {
	for head, want := range map[string][2]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":                                 {true, false},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":                          {true, false},
		"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 2\r\n\r\n":     {true, true},
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\nTransfer-Encoding: x\r\n\r\n":   {true, true},
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\r\nTransfer-Encoding: chunked\r\n": {true, false},
		"HTTP/1.1 200 OK\r\nContent-Le":                                                  {false, false},
		"":                                                                               {false, false},
	} {
		if whole, doubt, err := inspectHead([]byte(head)); [2]bool{whole, doubt} != want || err != nil {
			t.Errorf("inspectHead(%q) = %t, %t, %v, want %v", head, whole, doubt, err, want)
		}
	}
}

// A connection about whose framing there can be two opinions, or that carries bytes nobody asked for, is not used again.
func TestConnectionsInDoubtAreNotReused(t *testing.T) {
	for name, answer := range map[string]string{
		"two lengths":      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"an extra answer":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
		"until it closes":  "HTTP/1.1 200 OK\r\n\r\n{}",
		"of the old kind":  "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"an interim first": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			n := testnode.Start(t)
			n.Handle(func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				c.Write([]byte(answer))
				c.Close()
			})
			e := start(t, oneNode+anyRoute, n)
			for range 3 {
				if got := e.infer().want(t, 200); got.body != "{}" {
					t.Errorf("got %q", got.body)
				}
			}
			if got := e.metric("ganglion_upstream_stale_connections_total"); got != 0 {
				t.Errorf("%v of the connections were used again", got)
			}
		})
	}
}

func FuzzInspectHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		whole, doubt, _ := inspectHead(head)
		lower := strings.ToLower(string(head))
		if doubt && !(strings.Contains(lower, "\ncontent-length") && strings.Contains(lower, "\ntransfer-encoding")) {
			t.Errorf("doubt about %q, which has not both", head)
		}
		if whole && !strings.Contains(string(head), "\n\r") && !strings.Contains(string(head), "\n\n") {
			t.Errorf("%q has no end", head)
		}
	})
}

func FuzzRequestID(f *testing.F) {
	f.Add([]byte("ok-id"))
	f.Add([]byte("evil\r\nX: y"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		id := appendRequestID(nil, sent)
		if !saneID(id) {
			t.Errorf("id %q came out of %q", id, sent)
		}
	})
}
