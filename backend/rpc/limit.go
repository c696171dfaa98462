package rpc

import (
	"net"
	"sync"
	"sync/atomic"
)

// limit returns ln with at most so many of its connections open at once. One more is closed when it comes: its client tries
// again by itself, and a queue of connections nobody looks at would only hide that there are too many.
func limit(ln net.Listener, connections int) net.Listener {
	return &limited{Listener: ln, room: int64(connections)}
}

type limited struct {
	net.Listener
	room int64
	open atomic.Int64
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.room {
			return &counted{Conn: conn, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
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
