package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

// large is a body that is judged by its head.
const large = 2 << 20

// head sends the head of a request with a large body, and returns the answer that comes without any of it; nil = there is none,
// since the body is waited for.
func (e *edge) head(path string, headers ...string) *http.Response {
	e.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		e.t.Fatal(err)
	}
	defer c.Close()
	lines := strings.Join(append(headers, ""), "\r\n")
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n%s\r\n", path, large, lines); err != nil {
		e.t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		e.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	resp.Body.Close()
	resp.Status = string(body)
	if resp.StatusCode == http.StatusContinue {
		return nil
	}
	return resp
}

// wantUnread wants that status for a large body of which no byte was sent, and a message with that text; 0 = it is to be received.
func (e *edge) wantUnread(status int, text, path string, headers ...string) {
	e.t.Helper()
	resp := e.head(path, headers...)
	switch {
	case resp == nil && status != 0:
		e.t.Errorf("%s %q: the body is received, want %d", path, headers, status)
	case resp != nil && (resp.StatusCode != status || !strings.Contains(resp.Status, text)):
		e.t.Errorf("%s %q: got %d %s, want %d …%s…", path, headers, resp.StatusCode, resp.Status, status, text)
	case resp != nil && status == 503 && resp.Header.Get("Retry-After") == "":
		e.t.Errorf("%s: 503 without Retry-After", path)
	}
}

func TestLargeBodiesAreNotReceivedInVain(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\nmax = 1\ntimeout = \"1m\"\n[routes.m]\npool = \"main\"\n"+
		"[routes.cached]\npool = \"main\"\ncache = { ttl = \"1m\" }\n[routes.humble]\npool = \"main\"\npriority = { best = 5 }\n", n)
	const path = "/v2/models/m/infer"
	e.wantUnread(404, "unknown model", "/v2/models/none/infer")
	e.wantUnread(0, "", path)
	first, second := e.first(g), e.join(1, "second", inferBody)
	e.wantUnread(503, "pools.main.queue.max", path)
	e.wantUnread(0, "", path, "X-Request-Priority: 1")
	e.wantUnread(503, "pools.main.queue.max", "/v2/models/humble/infer", "X-Request-Priority: 1")
	e.wantUnread(0, "", "/v2/models/cached/infer")
	close(g.open)
	(<-first).want(t, 200)
	(<-second).want(t, 200)
	e.wantUnread(0, "", path)
	if got := e.metric("ganglion_queue_refused_total", "reason", "queue_full"); got != 2 {
		t.Errorf("%v refusals of the queue are counted, want 2", got)
	}
	eventually(t, "two saturated requests counted", func() bool { return e.metric("ganglion_requests_total", "reason", "saturated") == 2 })

	n.Stop()
	eventually(t, "the node down", func() bool { return e.gateway.Ready() != nil })
	e.wantUnread(503, "no node for model 'm'", path)
}
