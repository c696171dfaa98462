//go:build linux

package gateway

import (
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"

	"ganglion/internal/testnode"
)

// takeConn makes the node's side of a request's connection the test's.
func takeConn(t *testing.T, w http.ResponseWriter) net.Conn {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// delivered waits until the peer's kernel has all that was written.
func delivered(t *testing.T, c net.Conn) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the bytes have arrived", func() (done bool) {
		_ = raw.Control(func(fd uintptr) {
			left, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			done = err == nil && left == 0
		})
		return done
	})
}

// What a node sends after its answer, when nobody has asked it anything, is not the answer to the next question.
func TestALateSecondAnswerReachesNobody(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	taken := make(chan net.Conn, 1)
	n.Next(1, func(_ *testnode.Node, w http.ResponseWriter, _ *http.Request) {
		c := takeConn(t, w)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
		taken <- c
	})
	if got := e.infer().want(t, 200); got.body != "first" {
		t.Fatalf("got %q", got.body)
	}
	c := <-taken
	if got := e.metric("ganglion_upstream_connections", "state", "idle"); got != 1 {
		t.Fatalf("%v connections are kept: the test shows nothing", got)
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"); err != nil {
		t.Fatal(err)
	}
	delivered(t, c)
	if got := e.infer().want(t, 200); got.body == "late" {
		t.Error("the next caller got the late answer")
	}
	if got := e.metric("ganglion_upstream_stale_connections_total"); got != 1 {
		t.Errorf("%v stale connections, want 1", got)
	}
}

// 101 to a request that asked for nothing of the kind ends the connection: the answer that may follow is nobody's.
func TestAConnectionIsNotUsedAfterA101(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.Next(1, func(_ *testnode.Node, w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(takeConn(t, w), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
	})
	e.infer().want(t, 502)
	if got := e.metric("ganglion_upstream_connections", "state", "idle"); got != 0 {
		t.Errorf("%v connections are kept", got)
	}
}

// fasthttp takes 000 for 200.
func TestAStatusOfZeroIsNoAnswer(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.Always(func(_ *testnode.Node, w http.ResponseWriter, _ *http.Request) {
		c := takeConn(t, w)
		_, _ = io.WriteString(c, "HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\n{}")
	})
	e.infer().want(t, 502)
}

// What is neither 200 nor an error, such as a redirect, must not look like an answer without tensors.
func TestARedirectIsNoAnswerOverGRPC(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	for _, status := range []int{http.StatusNoContent, http.StatusPartialContent, http.StatusFound} {
		n.Handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		out, err := e.calls().ModelInfer(t.Context(), question("m", "", 1))
		if wantCode(t, err, codes.Unavailable); err == nil {
			t.Errorf("%d became %v", status, out)
		}
	}
}

// Nor if it comes over the hop.
func TestARedirectOverTheHopIsNoAnswerOverGRPC(t *testing.T) {
	n := testnode.Start(t)
	n.SpeakHop(true)
	n.Handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	e := start(t, oneNode+anyRoute, n)
	e.awaitHops("hop")
	_, err := e.calls().ModelInfer(t.Context(), question("m", "", 1))
	wantCode(t, err, codes.Internal)
}
