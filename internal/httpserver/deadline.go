package httpserver

import (
	"time"

	"github.com/valyala/fasthttp"
)

// fasthttp would read the clock and move a timer three times a request, which cost 7 % of one that is proxied. The times that
// nothing depends on are known to a fraction here instead: the clock stands still between its ticks, and a deadline that is
// set already is left alone if it is early by no more than a fraction of its time. Deadlines are thus early, never late: by
// an eighth at most.
const (
	// earlyBy is that fraction.
	earlyBy = 16
	// tickMost keeps the coarse clock from standing still for longer than a client would notice.
	tickMost = 250 * time.Millisecond
)

// now is the time on the server's coarse clock.
func (s *Server) now() time.Duration { return time.Duration(s.clock.Load()) }

// tick is how often the clock moves.
func (c *Config) tick() time.Duration {
	return min(min(c.ReadTimeout, c.WriteTimeout, c.IdleTimeout)/earlyBy, tickMost)
}

// keepTime moves the clock until stop.
func (s *Server) keepTime(stop <-chan struct{}) {
	tick := time.NewTicker(s.cfg.tick())
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			s.clock.Store(int64(time.Since(s.epoch)))
		}
	}
}

// restartClock begins the time that the connection has for what it does now.
func (c *conn) restartClock() { c.began = c.server.now() }

// armRead makes the next read end when the time for it is over.
func (c *conn) armRead() error {
	switch fasthttp.ConnState(c.state.Load()) {
	case fasthttp.StateIdle:
		wait := c.server.cfg.IdleTimeout
		if c.server.dozes() {
			wait = dozeAfter
		}
		return c.armReadFor(wait)
	default:
		return c.armReadFor(c.server.cfg.ReadTimeout)
	}
}

func (c *conn) armReadFor(d time.Duration) error {
	until := c.began + d
	if early(c.readUntil, until, d) {
		return nil
	}
	c.readUntil = until
	return c.TCPConn.SetReadDeadline(c.server.epoch.Add(until))
}

// armWrite gives a write its time.
func (c *conn) armWrite() error {
	d := c.server.cfg.WriteTimeout
	until := c.server.now() + d
	if early(c.writeUntil, until, d) {
		return nil
	}
	c.writeUntil = until
	return c.TCPConn.SetWriteDeadline(c.server.epoch.Add(until))
}

// early reports whether a deadline that is set does for one that is wanted at the end of d.
func early(set, wanted, d time.Duration) bool { return set <= wanted && wanted-set <= d/earlyBy }
