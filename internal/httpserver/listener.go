package httpserver

import (
	"errors"
	"fmt"
	"io"
	"net"
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

// acceptor feeds fasthttp, which gives up for good on the first error of Accept: it hands out connections and the end.
type acceptor struct {
	net.Listener
	server *Server
}

// Accept waits for the next connection that may be served. It returns io.EOF once the server drains.
func (a *acceptor) Accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		nc, err := a.Listener.Accept()
		switch {
		case err == nil:
			if c := a.server.admit(nc); c != nil {
				return c, nil
			}
			pause = 0
		case a.server.draining.Load():
			return nil, io.EOF
		case !passing(err):
			return nil, err
		default:
			pause = a.server.backOff(pause, err)
		}
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
	case <-s.stopping:
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
	c.state.Store(int32(fasthttp.StateNew))
	s.mu.Lock()
	full := len(s.conns) >= s.limit
	if !full {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		s.turnAway(tc)
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

// busy is the whole answer to a connection that is one too many.
const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n" +
	"Connection: close\r\nContent-Length: 39\r\n\r\n" + `{"error":"too many connections (limit)"}`

// turnAway answers without reading the request. It must not hold up the accept loop: a fresh socket's send buffer takes
// the answer at once, and a client that is already sending may lose it to the reset, as with any full server.
func (s *Server) turnAway(tc *net.TCPConn) {
	if s.counters.refused.Add(1) == 1 {
		s.log.Warn("too many connections; refusing more", "limit", s.limit)
	}
	if tc.SetDeadline(time.Now().Add(lingerQuiet)) == nil {
		_, _ = tc.Write([]byte(busy))
	}
	_ = tc.Close()
}
