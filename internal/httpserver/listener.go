package httpserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Listen opens a TCP listener on addr, "host:port" or ":port"; its error is one line that says what to do.
func Listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err == nil {
		return ln, nil
	}
	// The library's error repeats the address; its innermost cause is what matters.
	cause := err
	if op, ok := errors.AsType[*net.OpError](err); ok {
		cause = op.Err
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %q: %w: another process holds the port; stop it or choose another address", addr, syscall.EADDRINUSE)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on %q: %w: ports below 1024 need a privilege; choose a higher one", addr, syscall.EACCES)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("cannot listen on %q: %w: this host has no such address", addr, syscall.EADDRNOTAVAIL)
	}
	return nil, fmt.Errorf("cannot listen on %q: %w", addr, cause)
}

// accept serves every connection of ln on a goroutine of its own until the server drains (nil) or ln breaks.
// fasthttp's Serve would give up on the first error, such as a want of descriptors, and leave a goroutine behind.
func (s *Server) accept(ln net.Listener) error {
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.take(nc)
		case s.draining.Load():
			s.acceptRest(ln)
			return nil
		case !passing(err):
			return fmt.Errorf("cannot accept connections on %s: %w", ln.Addr(), err)
		default:
			pause = s.backOff(pause, err)
		}
	}
}

// take serves a new connection, or turns it away.
func (s *Server) take(nc net.Conn) {
	if c := s.admit(nc); c != nil {
		s.workers.Go(func() { s.serveConn(c) })
	}
}

// deadliner is a listener that can be made to stop waiting, such as *net.TCPListener.
type deadliner interface{ SetDeadline(t time.Time) error }

// acceptRest takes in what has queued up, since the kernel resets the connections of a closed listener: until nobody
// has come for a millisecond, but no longer than 100 ms, lest clients that reconnect at once keep us open.
func (s *Server) acceptRest(ln net.Listener) {
	dl, ok := ln.(deadliner)
	for end := time.Now().Add(100 * time.Millisecond); ok && time.Now().Before(end); {
		if dl.SetDeadline(time.Now().Add(time.Millisecond)) != nil {
			return
		}
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		s.take(nc)
	}
}

// serveConn serves c to its end and closes it, or has it doze. Broken connections are the clients' doing, at will, and so only worth
// a line when debugging.
func (s *Server) serveConn(c *conn) {
	defer func() {
		// Handlers are contained closer by; this is for a bug in fasthttp that a client has found.
		if r := recover(); r != nil {
			s.counters.panics.Add(1)
			s.log.Error("connection panicked: this is a bug", "panic", r, "stack", string(debug.Stack()))
			c.linger, c.dozing = false, false
			_ = c.Close()
			s.connState(c, fasthttp.StateClosed)
		}
	}()
	c.dozing = false
	if err := c.handshake(); err != nil {
		s.log.Debug("no TLS with a client", "client", c.RemoteAddr(), "error", err)
		_ = c.Close()
		s.connState(c, fasthttp.StateClosed)
		return
	}
	if err := s.http.ServeConn(c); err != nil {
		s.log.Debug("connection broke", "client", c.RemoteAddr(), "error", err)
	}
	if c.dozing {
		c.framing.ahead = nil              // nothing is in it
		s.workers.Go(func() { s.doze(c) }) // whose stack is small
	}
}

// passing reports whether accept may well succeed later. These are the errors of accept(2) that come from a shortage,
// from the connection that would have been accepted, or from the network beneath it; the listener itself is sound.
func passing(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.EPERM, syscall.EINTR,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// backOff waits a little longer than the last time. 100 ms at most: a shortage that ends is noticed at once, and ten
// attempts a second cost nothing.
func (s *Server) backOff(last time.Duration, err error) time.Duration {
	pause := min(max(2*last, 5*time.Millisecond), 100*time.Millisecond)
	if last == 0 {
		s.log.Warn("cannot accept a connection; trying again", "error", err, "open", s.counters.open.Load())
	}
	s.counters.acceptRetries.Add(1)
	select {
	case <-time.After(pause):
	case <-s.life.Done():
	}
	return pause
}

// admit registers a new connection, or refuses it and returns nil when there are too many.
func (s *Server) admit(nc net.Conn) *conn {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		panic("BUG: httpserver serves TCP listeners only")
	}
	c := &conn{TCPConn: tc, server: s}
	if s.tls != nil {
		c.tls = tls.Server(tc, s.tls)
	}
	c.restartClock()
	c.framing.begin()
	if c.direct.open(tc) != nil {
		_ = tc.Close() // it is broken already
		return nil
	}
	c.state.Store(int32(fasthttp.StateNew))
	s.mu.Lock()
	full := len(s.conns) >= s.limit
	if !full {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		s.turnAway(c)
		return nil
	}
	s.counters.accepted.Add(1)
	s.counters.open.Add(1)
	return c
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.conns[c]; there {
		delete(s.conns, c)
		s.counters.open.Add(-1)
	}
}

// mostTurnedAway bounds the connections that are being told to come back later; those beyond are just closed. They use
// descriptors beyond MaxConnections, of which twice as many are there.
const mostTurnedAway = 256

// turnAway answers a connection that is one too many without reading its request, and without holding up accept.
func (s *Server) turnAway(c *conn) {
	if s.counters.refused.Add(1) == 1 {
		s.log.Warn("too many connections; refusing more", "max_connections", s.limit)
	}
	if s.turnedAway.Add(1) > mostTurnedAway || c.tls != nil { // a handshake is what there is no room for
		s.turnedAway.Add(-1)
		_ = c.TCPConn.Close()
		return
	}
	s.workers.Go(func() {
		defer s.turnedAway.Add(-1)
		// A fresh socket's send buffer takes this at once.
		_, err := fmt.Fprintf(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"+
			"Connection: close\r\n\r\n"+`{"error":"more than %d connections are open (max_connections); try again"}`, s.limit)
		c.linger = err == nil
		_ = c.Close()
	})
}
