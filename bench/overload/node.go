//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// slots is how many requests a node works on at a time, and slotTime how long on each: 380 a second. Whatever else comes
	// waits in the node, without bound, and is worked on even if its client has left: most model servers do just that.
	slots    = 16
	slotTime = 42105 * time.Microsecond
)

// node is a server that does a certain amount of work, however much comes.
type node struct {
	address string
	server  *http.Server
	free    chan struct{}
	broken  atomic.Bool  // every connection is reset
	asked   atomic.Int64 // requests but for probes
	inside  atomic.Int64 // requests now
	stopped chan struct{}
}

func startNode(address string) (*node, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	n := &node{address: ln.Addr().String(), free: make(chan struct{}, slots), stopped: make(chan struct{})}
	n.server = &http.Server{Handler: n, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(n.stopped)
		if err := n.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			panic("BUG: the node's server ended: " + err.Error())
		}
	}()
	return n, nil
}

// stop closes the node's port and every connection.
func (n *node) stop() {
	_ = n.server.Close() // nothing of it is needed any more
	<-n.stopped
}

// ServeHTTP implements http.Handler.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	probe := r.Method == http.MethodGet
	if !probe {
		n.asked.Add(1)
	}
	if n.broken.Load() {
		reset(w)
		return
	}
	if !probe {
		_, _ = io.Copy(io.Discard, r.Body) // a client that leaves is no less work
		n.inside.Add(1)
		defer n.inside.Add(-1)
		n.free <- struct{}{}
		time.Sleep(slotTime)
		<-n.free
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"model_name":"m","outputs":[]}`) // to a client that may have left
}

func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset is what Close then is
	}
	c.Close()
}

// settle waits until the node has done all that is left of the last run.
func (n *node) settle(ctx context.Context) error {
	for n.inside.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}
