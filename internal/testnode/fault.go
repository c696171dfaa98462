package testnode

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Status answers with the status and a protocol error that names it.
func Status(status int) Fault {
	return func(n *Node, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set(NameHeader, n.Name())
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":"testnode was told to answer %d"}`, status)
	}
}

// Reset breaks the connection with a TCP reset before the first byte of an
// answer.
func Reset(_ *Node, w http.ResponseWriter, _ *http.Request) {
	abort(w, nil)
}

// ResetMidAnswer sends a good head and half of the body it promised, then
// breaks the connection with a TCP reset.
func ResetMidAnswer(n *Node, w http.ResponseWriter, r *http.Request) {
	answer := n.rawAnswer(r)
	abort(w, answer[:len(answer)-len(answer)/4])
}

// HalfAnswer sends a good head and half of the body it promised, then closes
// the connection in good order.
func HalfAnswer(n *Node, w http.ResponseWriter, r *http.Request) {
	answer := n.rawAnswer(r)
	finish(w, answer[:len(answer)-len(answer)/4])
}

// NoAnswer closes the connection in good order before the first byte of an
// answer, as a node does whose idle timeout meets the request on its way.
func NoAnswer(_ *Node, w http.ResponseWriter, _ *http.Request) {
	finish(w, nil)
}

// Garbage sends bytes that are not HTTP and closes the connection.
func Garbage(_ *Node, w http.ResponseWriter, _ *http.Request) {
	finish(w, []byte("\x16\x03\x01\x00this is no status line\r\n\r\n\x00"))
}

// GarbageAndSilence sends bytes that are not HTTP, without the end of a line, and leaves the connection open until the client
// ends it.
func GarbageAndSilence(n *Node, w http.ResponseWriter, _ *http.Request) {
	takeOver(w, []byte("\x16\x03\x01\x00this is no status line"), func(c *net.TCPConn) {
		stop := context.AfterFunc(n.ended, func() { _ = c.Close() })
		defer stop()
		_, _ = io.Copy(io.Discard, c) // ends with the connection
	})
}

// CloseAfterAnswer answers as if the connection could be used again, and closes
// it: the next request of a client that believed it runs into a stale
// keep-alive connection.
func CloseAfterAnswer(n *Node, w http.ResponseWriter, r *http.Request) {
	finish(w, n.rawAnswer(r))
}

// rawAnswer is the plain answer with its head, for faults that write to the
// connection themselves. Its head is about as long as its body, so three
// quarters of it are the head and some of the body.
func (n *Node) rawAnswer(r *http.Request) []byte {
	body := inferAnswer(r)
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
		NameHeader, n.Name(), len(body), body)
	return raw.Bytes()
}

// abort sends the bytes and breaks the connection. With linger 0 the kernel
// sends RST instead of FIN.
func abort(w http.ResponseWriter, send []byte) {
	takeOver(w, send, func(c *net.TCPConn) {
		// Fails only on a connection that is broken already, which is what we want.
		_ = c.SetLinger(0)
	})
}

func finish(w http.ResponseWriter, send []byte) {
	takeOver(w, send, func(*net.TCPConn) {})
}

func takeOver(w http.ResponseWriter, send []byte, before func(*net.TCPConn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(fmt.Sprintf("BUG: testnode cannot take over the connection: %v", err))
	}
	defer conn.Close()
	// The client may be gone already: a fault has nobody to report that to.
	_, _ = conn.Write(send)
	if tcp, ok := conn.(*net.TCPConn); ok {
		before(tcp)
	}
}
