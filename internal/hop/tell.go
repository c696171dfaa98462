package hop

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// clients are the connections that a server serves.
type clients struct {
	count atomic.Int32
	told  atomic.Uint64
	// declined counts requests whose condition did not hold.
	declined atomic.Uint64

	mu    sync.Mutex
	conns map[*serverConn]struct{}
	list  []*serverConn // of conns, or nil; never changed once it is made
}

// telling is what a client knows of the node's load.
type telling struct {
	others int64         // requests that are not its own
	at     time.Duration // when it was told, on the link's clock
}

const (
	// toldFine is up to how many requests of others each one more or less is news, and the part of more that is: of two nodes
	// with ten and eleven requests either is a good choice.
	toldFine = 8
	// toldAgain is after what time the same is told again. Who balances by it believes it less and less within two seconds.
	toldAgain = 500 * time.Millisecond
)

// Clients is how many connections are being served.
func (s *Server) Clients() int { return int(s.clients.count.Load()) }

// Told is how many loads have been sent without an answer.
func (s *Server) Told() uint64 { return s.clients.told.Load() }

// Declined is how many requests were declined because their condition did not hold.
func (s *Server) Declined() uint64 { return s.clients.declined.Load() }

// Tell sends the node's load as it is now to each client for which that is news: what other clients have brought has changed by
// more than an eighth. With each load goes how many of its requests are the client's own, so that it need not guess. A client
// that is slow to read is left out. It reports whether some client was told so short a time ago that it does not want to hear
// more yet: then the caller should tell again, although nothing may have changed since.
func (s *Server) Tell(l Load) (again bool) {
	for _, c := range s.clients.all() {
		if c.tell(l) {
			again = true
		}
	}
	return again
}

func (c *serverConn) tell(load Load) (again bool) {
	l := &c.link
	if l.peer.loads == 0 {
		return false // it does not want to hear any
	}
	l.mu.Lock()
	own := int64(c.running)
	others := load.others(own)
	now := l.now()
	if !c.told.news(others, now) || l.severed || l.ended || len(l.w.out) > softQueue {
		l.mu.Unlock()
		return false
	}
	if c.told.at != 0 && now-c.told.at < time.Second/time.Duration(l.peer.loads) {
		l.mu.Unlock()
		return true
	}
	c.told = telling{others: others, at: now}
	c.server.clients.told.Add(1)
	l.control(appendLoadFrame(l.w.out, load, uint32(own)))
	writer := l.claim()
	l.mu.Unlock()
	if writer {
		l.write()
	}
	return false
}

// others is how many of its requests are not a client's own.
func (l Load) others(own int64) int64 { return max(int64(l.Queued)+int64(l.InFlight)-own, 0) }

// news reports whether a client should be told.
func (t telling) news(others int64, now time.Duration) bool {
	change := others - t.others
	if change < 0 {
		change = -change
	}
	return change > t.others/toldFine || others > 0 && now-t.at > toldAgain
}

func (c *clients) add(conn *serverConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns == nil {
		c.conns = make(map[*serverConn]struct{})
	}
	c.conns[conn], c.list = struct{}{}, nil
	c.count.Add(1)
}

func (c *clients) remove(conn *serverConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
	c.list = nil
	c.count.Add(-1)
}

// all are the connections of this moment.
func (c *clients) all() []*serverConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list == nil {
		c.list = slices.Collect(maps.Keys(c.conns))
	}
	return c.list
}
