package testnode

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// idleCloser closes connections that have been idle for a while. http.Server
// has an IdleTimeout, but it may not change while the server runs.
type idleCloser struct {
	mu     sync.Mutex
	after  time.Duration // 0 = never
	timers map[net.Conn]*time.Timer
}

// CloseIdleAfter makes the node close a keep-alive connection this long after
// its last answer; 0 keeps them open. A short time makes the race in which a
// request meets the close on its way.
func (n *Node) CloseIdleAfter(d time.Duration) {
	n.idle.mu.Lock()
	defer n.idle.mu.Unlock()
	n.idle.after = d
}

func (i *idleCloser) connState(conn net.Conn, state http.ConnState) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if timer := i.timers[conn]; timer != nil {
		timer.Stop()
		delete(i.timers, conn)
	}
	if state != http.StateIdle || i.after == 0 {
		return
	}
	if i.timers == nil {
		i.timers = make(map[net.Conn]*time.Timer)
	}
	i.timers[conn] = time.AfterFunc(i.after, func() { conn.Close() })
}

// forget stops all timers: their connections are closed already.
func (i *idleCloser) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for conn, timer := range i.timers {
		timer.Stop()
		delete(i.timers, conn)
	}
}
