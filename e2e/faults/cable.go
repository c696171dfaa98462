//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// cable is a TCP proxy between gateway and one node, that can be damaged. It knows nothing of what it carries.
type cable struct {
	address, target string
	plain           bool // lets no connection become a hop: the node is an HTTP/1.1 server to whoever asks

	damage atomic.Int32

	mu       sync.Mutex
	listener net.Listener
	jam      *jam
	open     map[net.Conn]struct{}
	running  sync.WaitGroup
}

// What is wrong with a cable.
const (
	whole   int32 = iota
	resets        // whatever the gateway sends is answered by a TCP reset
	garbles       // what the node sends is replaced by random bytes
	cuts          // what the node sends is passed on by half; then the connection ends in good order
)

// spared is how many bytes of each connection reach the gateway unharmed by garbles and cuts: enough for probes and for the
// making of connections, so that the node seems to be well until it has to work.
const spared = 4 << 10

// newCable listens on address until close.
func newCable(address, target string, plain bool) (*cable, error) {
	c := &cable{address: address, target: target, plain: plain, open: map[net.Conn]struct{}{}}
	return c, c.listen()
}

func (c *cable) listen() error {
	ln, err := net.Listen("tcp", c.address)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.listener = ln
	c.mu.Unlock()
	c.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // closed
			}
			c.running.Go(func() { c.carry(conn) })
		}
	})
	return nil
}

// carry passes bytes between the gateway's connection and a new one to the node until either ends.
func (c *cable) carry(gateway net.Conn) {
	defer gateway.Close()
	node, err := net.DialTimeout("tcp", c.target, time.Second)
	if err != nil {
		reset(gateway) // as the node's own host would answer where nobody listens
		return
	}
	defer node.Close()
	if !c.enter(gateway, node) {
		return
	}
	defer c.leave(gateway, node)
	var both sync.WaitGroup
	both.Go(func() { c.forward(gateway, node) })
	both.Go(func() { c.back(node, gateway) })
	both.Wait()
}

// forward passes on what the gateway sends.
func (c *cable) forward(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for first := true; ; first = false {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p := buf[:n]
		if first && c.plain {
			p = bytes.Replace(p, []byte("\r\nUpgrade:"), []byte("\r\nX-Grade:"), 1)
		}
		if c.damage.Load() == resets {
			reset(from)
			return
		}
		if _, err := to.Write(p); err != nil {
			return
		}
	}
}

// back passes on what the node sends.
func (c *cable) back(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for passed := 0; ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p, last := buf[:n], false
		switch damage := c.damage.Load(); {
		case damage == garbles && passed > spared:
			_, _ = rand.Read(p) // never fails
		case damage == cuts && passed > spared:
			p, last = p[:n/2], true
		}
		passed += n
		if _, err := to.Write(p); err != nil || last {
			return
		}
	}
}

// enter makes the connections known, unless the cable is closed.
func (c *cable) enter(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listener == nil {
		return false
	}
	for _, conn := range conns {
		c.open[conn] = struct{}{}
	}
	return true
}

func (c *cable) leave(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		delete(c.open, conn)
	}
}

// cut resets all connections.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		reset(conn)
	}
}

// unplug closes the listener and resets all connections.
func (c *cable) unplug() {
	c.mu.Lock()
	if c.listener != nil {
		c.listener.Close()
		c.listener = nil
	}
	c.mu.Unlock()
	c.cut()
	c.running.Wait()
}

// clog replaces the listener by one whose queue of connections is full: nobody accepts, and the kernel drops who knocks.
func (c *cable) clog(ctx context.Context) (err error) {
	c.unplug()
	c.jam, err = newJam(ctx, c.address)
	return err
}

// unclog listens again.
func (c *cable) unclog() error {
	c.jam.close()
	c.jam = nil
	return c.listen()
}

// close ends everything.
func (c *cable) close() {
	c.unplug()
	if c.jam != nil {
		c.jam.close()
	}
}

// reset ends a connection with a TCP reset.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails on a connection that is over, which is what is wanted
	}
	_ = conn.Close()
}

// jam is a listener that accepts nobody, and whose queue is full.
type jam struct {
	fd     int
	queued []net.Conn
}

func newJam(ctx context.Context, address string) (*jam, error) {
	tcp, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	j := &jam{fd: fd}
	at := &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}
	err = errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), syscall.Bind(fd, at), syscall.Listen(fd, 0))
	if err != nil {
		j.close()
		return nil, fmt.Errorf("cannot listen with a full queue on %s: %w", address, err)
	}
	// A queue of length 0 takes one connection, and who comes next is left waiting.
	dialer := net.Dialer{Timeout: 100 * time.Millisecond}
	for range 3 {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return j, nil
		}
		j.queued = append(j.queued, conn)
	}
	return j, nil
}

func (j *jam) close() {
	for _, conn := range j.queued {
		_ = conn.Close()
	}
	_ = syscall.Close(j.fd)
}
