package httpserver

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// An idle connection would keep what its last request needed: buffers for reading and writing, the request and the
// response with their bodies, and the stack of all that has run: 48 KiB after 8 KB each way. One that has been idle for
// dozeAfter gives all of it back, and is waited for by a goroutine with a small stack.
//
// A second is longer than the pauses of a client that is at work, and shorter than any at which the memory of many idle
// clients matters. Waking up costs a microsecond.
const dozeAfter = time.Second

// dozes reports whether dozing makes sense: not if idle connections are closed about as soon.
func (s *Server) dozes() bool { return s.cfg.IdleTimeout > 2*dozeAfter }

// doze waits for the next request of a connection that fasthttp has let go of, or for its end.
func (s *Server) doze(c *conn) {
	if c.awaitBytes() {
		c.restartClock() // else what is there would meet a deadline that has passed
		s.serveConn(c)
		return
	}
	c.dozing = false
	_ = c.Close() // idle for too long
	s.connState(c, fasthttp.StateClosed)
}

// awaitBytes waits until there is something to read, the end included, or somebody wants the connection gone. false = the
// idle time is over.
func (c *conn) awaitBytes() bool {
	if c.armReadFor(c.server.cfg.IdleTimeout) != nil {
		return true
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true // reading will fail as well
	}
	err = raw.Read(func(fd uintptr) (done bool) {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	return !errors.Is(err, os.ErrDeadlineExceeded) || c.evicting.Load()
}
