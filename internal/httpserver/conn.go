package httpserver

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// How long and how much a refused client may go on sending before its connection is closed. Closing at once would reset
// the connection, and a reset can destroy the answer before the client has read it. 256 MiB is four times the largest
// body accepted by default; on a fast network that takes well under a second.
const (
	lingerTime  = 5 * time.Second
	lingerQuiet = time.Second // a client that sends nothing for this long has read the answer or never will
	lingerBytes = 256 << 20
)

// conn is one client connection. Its worker goroutine owns the plain fields; the drain reads and writes the atomic ones.
type conn struct {
	*net.TCPConn
	server *Server
	tls    *tls.Conn // over the TCPConn; nil = plain

	state    atomic.Int32 // a fasthttp.ConnState
	evicting atomic.Bool  // the drain wants it gone if it is idle

	body     *body // of the exchange in progress; nil if it has none
	linger   bool  // the client may still be sending what nobody will read
	hijacked bool  // it is, or is about to be, somebody else's; see Hijack
	dozing   bool  // it is taken from fasthttp, to wait without its memory; see doze
	late     bool  // a request did not come in time: fasthttp's errors do not always say so

	began                 time.Duration // of what it does now, on the server's clock
	readUntil, writeUntil time.Duration // the deadlines that are set

	direct  direct
	framing framing
	watch   watch
}

// connState is fasthttp's hook, called on the worker's goroutine.
func (s *Server) connState(nc net.Conn, state fasthttp.ConnState) {
	c := nc.(*conn) // accept makes nothing else
	if c.dozing {
		return // it is idle, not closed
	}
	c.state.Store(int32(state))
	switch state {
	case fasthttp.StateActive:
		c.restartClock()
	case fasthttp.StateIdle:
		c.restartClock()
		c.framing.begin()
		// The response has been written: only now is nobody left who could read the request's bytes.
		c.releaseBody()
	case fasthttp.StateClosed:
		c.releaseBody()
		s.forget(c)
	}
}

func (c *conn) releaseBody() {
	if c.body != nil {
		c.server.bodies.release(c.body)
		c.body = nil
	}
}

// Read reads from the client.
func (c *conn) Read(p []byte) (int, error) {
	if f := &c.framing; f.at < len(f.ahead) {
		return f.buffered(p), nil
	}
	n, err := c.receive(p)
	return c.framing.received(p[:n]), err
}

// receive reads from the client's socket. A deadline that passes while no request is in progress is the end of the connection, or the
// time to wait for the next request in less memory, not an error that deserves an answer.
func (c *conn) receive(p []byte) (int, error) {
	if c.hijacked {
		return c.below().Read(p)
	}
	for {
		if err := c.armRead(); err != nil {
			return 0, err
		}
		n, err := c.read(p)
		if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		state := fasthttp.ConnState(c.state.Load())
		switch {
		case !c.evicting.CompareAndSwap(true, false):
			if c.late = state == fasthttp.StateActive; c.late {
				return 0, err
			}
			c.dozing = state == fasthttp.StateIdle && c.server.dozes()
			return 0, io.EOF
		case state != fasthttp.StateActive:
			return c.lastLook(p)
		}
		// The drain's deadline met a request that had just begun: it goes on with a fresh one.
		c.restartClock()
		c.readUntil = 0
	}
}

// Write writes to the client.
func (c *conn) Write(p []byte) (int, error) {
	if !c.hijacked {
		if err := c.armWrite(); err != nil {
			return 0, err
		}
		return c.write(p)
	}
	return c.below().Write(p)
}

// ReadFrom keeps what is copied to the client by way of Write, which gives it its time.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{c}, r) }

// evict ends the connection if it is idle; called by the drain, again and again until the connection is gone, since
// the worker may overwrite the deadline with its own.
func (c *conn) evict() {
	if state := fasthttp.ConnState(c.state.Load()); state == fasthttp.StateIdle || state == fasthttp.StateNew {
		c.evicting.Store(true)
		// A failure means that the connection is closed, which is what is wanted.
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
}

// lastLook takes a request that has reached this machine although its connection is to be closed. What arrives later
// than this, in the microseconds before the close, is lost; the client sees the connection end before a byte of answer.
func (c *conn) lastLook(p []byte) (int, error) {
	// Raw reads respect the deadline too, so that it has to be moved first.
	c.readUntil = 0 // not the one that is set from here on
	if err := c.SetReadDeadline(time.Now().Add(c.server.cfg.ReadTimeout)); err != nil {
		return 0, err
	}
	if c.tls != nil {
		return c.lastLookTLS(p)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	n := 0
	readErr := raw.Read(func(fd uintptr) (done bool) {
		n, err = syscall.Read(int(fd), p)
		return true // never wait
	})
	if readErr != nil || err != nil || n <= 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close closes the connection, after hearing out a client whose request was refused.
func (c *conn) Close() error {
	if c.dozing {
		return nil
	}
	if c.linger {
		c.releaseBody()
		c.hearOut()
	}
	return c.below().Close()
}

// hearOut tells the client that there will be no more and drops what it is still sending.
func (c *conn) hearOut() {
	if c.tls != nil {
		_ = c.tls.CloseWrite() // what follows says the same, less politely
	}
	if c.CloseWrite() != nil {
		return
	}
	sink := make([]byte, 32<<10)
	end := time.Now().Add(lingerTime)
	for total := 0; total < lingerBytes; {
		quiet := time.Now().Add(lingerQuiet)
		if quiet.After(end) {
			quiet = end
		}
		if c.SetReadDeadline(quiet) != nil {
			return
		}
		n, err := c.TCPConn.Read(sink)
		if err != nil {
			return
		}
		total += n
	}
}
