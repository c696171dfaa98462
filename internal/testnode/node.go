// Package testnode is a fake Open Inference Protocol node for tests that need
// to break one: it answers like a node and, when told, fails like one.
//
// It owns a net/http server on a loopback port the kernel chose, a record of
// what was asked, and a script of faults. It refuses to be a model: an infer
// request gets one fixed small answer, whatever was sent. Product code never
// imports it.
//
// Every method is safe to call from any goroutine while requests are in flight;
// a change of script holds for requests that arrive after it. The node stops,
// and all its goroutines end, when the test that started it ends.
package testnode

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// NameHeader is the response header in which a node says who answered. Its
// value is what Name returns.
const NameHeader = "X-Test-Node"

// restartPatience bounds how long Restart tries to get the old port back. The
// port is free as soon as the old listener is closed, so only another process
// that was given it in between, where it could not be kept, can make this wait,
// and waiting longer than a second would not make that process go away.
const restartPatience = time.Second

// Node is one fake node. Make it with Start.
type Node struct {
	t       testing.TB
	address string
	ended   context.Context // over when the test is: releases whatever hangs.

	ready  atomic.Bool
	probes atomic.Int64
	gone   atomic.Int64

	extensions atomic.Value // []string

	script script
	record record
	idle   idleCloser
	hops   hops

	mu     sync.Mutex // guards server: Stop and Restart change it
	server *http.Server
	served sync.WaitGroup // the accept loops and every handler in flight
}

// Start runs a node on a free loopback port until the test ends.
func Start(t testing.TB) *Node {
	t.Helper()
	ended, end := context.WithCancel(context.Background())
	n := &Node{t: t, ended: ended}
	n.ready.Store(true)
	n.SetExtensions("binary_tensor_data")
	listener, err := n.listen()
	if err != nil {
		t.Fatalf("testnode: cannot listen on loopback: %v", err)
	}
	n.address = listener.Addr().String()
	n.serve(listener)
	t.Cleanup(func() {
		n.mu.Lock()
		end()
		n.mu.Unlock()
		n.Stop()
		n.served.Wait()
	})
	return n
}

// enter admits one request unless the test is over. The lock orders it before
// or after the end, so that nothing joins the wait group once it is waited for.
func (n *Node) enter() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended.Err() != nil {
		return false
	}
	n.served.Add(1)
	return true
}

// Address is the node's "host:port", the same before and after a Restart.
func (n *Node) Address() string { return n.address }

// URL is Address with the scheme in front and no slash behind.
func (n *Node) URL() string { return "http://" + n.address }

// Name is what the node puts into NameHeader.
func (n *Node) Name() string { return n.address }

// SetReady decides what the readiness endpoints answer: 200 or 503. Other
// requests do not care. A node starts ready.
func (n *Node) SetReady(ready bool) { n.ready.Store(ready) }

// SetExtensions decides which extensions of the protocol the node's metadata
// names. A node starts with binary_tensor_data. What it answers is a matter of
// its script.
func (n *Node) SetExtensions(names ...string) { n.extensions.Store(names) }

// Stop closes the listener and every connection at once, as the death of the
// process would: clients in the middle of an exchange see it break. Stopping a
// stopped node does nothing.
func (n *Node) Stop() {
	n.mu.Lock()
	server := n.server
	n.server = nil
	n.mu.Unlock()
	if server == nil {
		return
	}
	_ = server.Close() // only the listener could fail to close, and it is gone all the same
	n.idle.forget()
	n.CutHops()
}

// Restart serves again on the same port, stopping first if need be. Script,
// readiness and record stay as they were.
func (n *Node) Restart() {
	n.t.Helper()
	n.Stop()
	listener, err := n.listenAgain()
	if err != nil {
		n.t.Fatalf("testnode: cannot listen on %q again: %v", n.address, err)
	}
	n.serve(listener)
}

func (n *Node) listenAgain() (net.Listener, error) {
	deadline := time.Now().Add(restartPatience)
	for {
		listener, err := net.Listen("tcp", n.address)
		if err == nil || time.Now().After(deadline) {
			return listener, err
		}
		time.Sleep(time.Millisecond)
	}
}

func (n *Node) serve(listener net.Listener) {
	server := &http.Server{
		Handler:   http.HandlerFunc(n.handle),
		ConnState: n.idle.connState,
		// A test breaks connections on purpose: what net/http logs about it
		// would only hide the test's own words.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	n.mu.Lock()
	n.server = server
	n.mu.Unlock()
	n.served.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			n.t.Errorf("testnode %q: %v", n.address, err)
		}
	})
}
