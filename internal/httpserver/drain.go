package httpserver

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// lastCall is how long an idle connection may take to send one more request, which is answered with Connection:
	// close. A busy client sends its next request within a round trip, and the farthest are a quarter of a second away.
	lastCall = 250 * time.Millisecond
	// sweepEvery is how often the drain looks at what is left.
	sweepEvery = 10 * time.Millisecond
)

// Run serves ln, a TCP listener, until ctx ends, then drains: it stops accepting, answers what is in flight with Connection: close, for
// up to DrainTimeout, and closes idle connections. It owns ln and closes it. It returns nil after a clean drain.
//
// A request is either answered or its connection is closed before a byte of it was read, with one exception: a
// connection still busy after DrainTimeout is cut. What cannot be helped is a request that reaches an idle connection
// within microseconds of its end (see lastLook); HTTP/1.1 has no way to announce the close of an idle connection.
//
// Hijacked connections are waited for like others; see Hijack.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	limit, err := connectionLimit(s.cfg.MaxConnections)
	if err != nil {
		_ = ln.Close()
		return err
	}
	s.limit = limit
	// fasthttp's own limit answers in plain text; ours comes first, with room for connections that are just ending.
	s.http.Concurrency = 2 * limit

	ended := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() { s.watched.run(ended) })
	helpers.Go(func() { s.keepTime(ended) })
	defer helpers.Wait()
	defer close(ended)

	accepted := make(chan error, 1)
	go func() { accepted <- s.accept(ln) }()
	select {
	case <-ctx.Done():
		s.stopAccepting(ln)
		err = <-accepted
	case err = <-accepted:
		s.stopAccepting(ln)
	}
	_ = ln.Close() // it may be closed already
	if drainErr := s.drain(); err == nil {
		err = drainErr
	}
	return err
}

// stopAccepting wakes accept, which then takes in the rest and returns.
func (s *Server) stopAccepting(ln net.Listener) {
	s.draining.Store(true)
	s.endLife()
	if dl, ok := ln.(deadliner); !ok || dl.SetDeadline(time.Now()) != nil {
		_ = ln.Close()
	}
}

// drain waits until all connections have ended, and helps those along that are idle.
func (s *Server) drain() error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	start := time.Now()
	for s.counters.open.Load() > 0 {
		waited := time.Since(start)
		if waited > s.cfg.DrainTimeout {
			return s.cut()
		}
		if waited > lastCall {
			s.eachConn((*conn).evict)
		}
		<-tick.C
	}
	s.workers.Wait()
	return nil
}

// cut closes what the drain could not.
func (s *Server) cut() error {
	n := s.counters.open.Load()
	s.eachConn(func(c *conn) { _ = c.TCPConn.Close() })
	return fmt.Errorf("%d connections were still busy after drain_timeout (%s) and were cut", n, s.cfg.DrainTimeout)
}

func (s *Server) eachConn(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}
