package rpc

import (
	"net"
	"sync"
)

// limited is a listener with at most so many of its connections open at once. One more is closed when it comes: its client
// tries again by itself, and a queue of connections nobody looks at would only hide that there are too many.
type limited struct {
	net.Listener
	room    int64
	metrics *metrics
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.metrics.open.Add(1) <= l.room {
			return &counted{Conn: conn, closed: sync.OnceFunc(func() { l.metrics.open.Add(-1) })}, nil
		}
		l.metrics.open.Add(-1)
		l.metrics.refused.Add(1)
		_ = conn.Close()
	}
}

type counted struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
