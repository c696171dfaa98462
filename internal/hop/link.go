package hop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// lastWords is how long a connection that ends may take to get its last frames to the peer.
	lastWords = time.Second
	// linger is how long the peer may take to read why it was cut off, or to close a drained connection: a close before
	// that would make the kernel throw away what the peer has not read yet.
	linger = 250 * time.Millisecond
)

// link is what both ends of a connection share: life, clock, stream table, and the halves that read and write.
type link struct {
	nc    net.Conn
	sock  *socket // nil: only the flusher writes
	cfg   Config
	role  role
	epoch time.Time // the clock's zero
	r     reader
	wake  chan struct{} // tells the flusher that it is the writer
	quit  chan struct{} // ends the flusher

	mu      sync.Mutex
	quiet   sync.Cond // on mu: nobody writes any more
	w       writer
	streams table
	larges  int // large bodies that are coming in
	peer    settings

	running    bool          // somebody reads, and will close the socket
	draining   bool          // this end has said goaway
	away       bool          // the peer has
	leaving    bool          // nothing is left to do: the reader is to come home
	severed    bool          // the socket is of no use any more
	ended      bool          // the reader has come home
	cause      error         // why severed
	farewell   error         // what the peer's goaway gave as its reason, other than a drain
	retired    chan struct{} // closed by whichever of draining, away and severed comes first
	hasRetired bool          // retired is

	alarmAt time.Duration // when the read deadline goes off
	pingAt  time.Duration // when silence is looked at
	silent  int           // looks in a row since the peer was asked and nothing came
	drainAt time.Duration // when a drain is over, done or not
	asked   time.Duration // when the last ping went out
	trip    time.Duration // round trip of the last ping
	due     []*stream     // scratch of sweep
}

// role is what differs between the ends. All methods but frame are called with the lock held.
type role interface {
	// frame takes in a request, response, cancel or goaway.
	frame(h frameHeader, payload []byte) error
	// headKind is request or response: what this end's messages begin with.
	headKind() kind
	// appendHead encodes the head of the stream's message, and numbers the stream if that is due.
	appendHead(dst []byte, st *stream) []byte
	// sent hears that the last frame of the stream's message has been taken for writing; the caller does not touch the stream
	// afterwards, unless it has pinned it.
	sent(st *stream)
	// receiver finds whose chunk or window this is; nil without an error is a stream that has ended.
	receiver(h frameHeader) (*stream, error)
	// arrived hears that a body is complete.
	arrived(st *stream)
	// orphan hears that the reader has let go of a stream that was abandoned while it read a chunk for it.
	orphan(st *stream, h frameHeader)
	// abandon ends a stream that is late or stalled.
	abandon(st *stream, reason Reason, text string)
	// lost ends a stream whose connection has ended.
	lost(st *stream, cause error)
	// lastAccepted is for goaway: the last stream of the peer's that is or will be worked on. It does not change once draining.
	lastAccepted() uint64
	// resting hears that no stream is open.
	resting()
	// tick comes with every look at silence.
	tick()
	// look comes with every alarm and returns when the next one is wanted.
	look(now time.Duration) time.Duration
	// alarmed comes after every alarm, without the lock.
	alarmed()
}

// init readies a link. It starts nothing.
func (c *link) init(nc net.Conn, cfg Config, r role) {
	c.nc, c.sock, c.cfg, c.role, c.epoch = nc, newSocket(nc), cfg, r, time.Now()
	if _, encrypted := unwrap(nc).(*tls.Conn); encrypted {
		c.cfg.ChunkSums = false
	}
	c.wake, c.quit, c.retired = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	c.quiet.L = &c.mu
	c.r = reader{nc: nc, buf: make([]byte, readBuffer), sums: c.cfg.ChunkSums, alarm: func() error { return errNoSettings }}
	c.alarmAt, c.drainAt = never, never
}

// now is the time on the link's clock.
func (c *link) now() time.Duration { return time.Since(c.epoch) }

// instant is t on the link's clock; never for the zero time.
func (c *link) instant(t time.Time) time.Duration {
	if t.IsZero() {
		return never
	}
	return t.Sub(c.epoch)
}

// greet writes this end's settings; meet reads the other's. Both keep to the handshake's timeout.
func (c *link) greet() error {
	c.nc.SetDeadline(time.Now().Add(c.cfg.HandshakeTimeout))
	_, err := c.nc.Write(settingsFrame(c.cfg.settings()))
	return err
}

func (c *link) meet() error {
	c.nc.SetDeadline(time.Now().Add(c.cfg.HandshakeTimeout))
	h, err := c.r.header()
	if err != nil {
		return err
	}
	if h.kind != kindSettings || h.id != 0 || h.length > maxControl {
		return violation("first frame is %v of %d bytes, want settings", h.kind, h.length)
	}
	payload, err := c.r.payload(h)
	if err != nil {
		return err
	}
	c.peer, err = parseSettings(payload)
	return err
}

// run serves an established connection until it ends, and returns why: nil after a drain, this end's or the peer's.
func (c *link) run(ctx context.Context) error {
	flushed, drained := make(chan struct{}), make(chan struct{})
	go func() { defer close(flushed); c.flusher() }()
	stop := context.AfterFunc(ctx, func() { defer close(drained); c.drain() })
	c.startClock()
	err := c.read()
	if !stop() {
		<-drained
	}
	err = c.end(err)
	close(c.quit)
	<-flushed
	c.part(err)
	return err
}

// read takes in frames until there are no more.
func (c *link) read() error {
	for {
		h, err := c.r.header()
		if err == nil {
			err = c.receive(h)
		}
		if err != nil {
			return err
		}
	}
}

// drain takes no new exchanges, lets the open ones finish, and then ends the connection.
func (c *link) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining || c.ended {
		return
	}
	c.goaway(ReasonNone, "")
	c.drainAt = c.now() + c.cfg.DrainTimeout
	c.armAlarm(c.drainAt)
	c.settle()
	c.poke()
}

// goaway tells the peer how far this end has come. With the lock held.
func (c *link) goaway(reason Reason, text string) {
	last := c.role.lastAccepted()
	c.draining = true
	c.retire()
	c.control(appendGoaway(c.w.out, last, reason, text))
}

// retire says that no new exchange will ever be let in. With the lock held.
func (c *link) retire() {
	if !c.hasRetired {
		c.hasRetired = true
		close(c.retired)
	}
}

// control takes the queue with a frame appended that the peer has caused. With the lock held.
func (c *link) control(out []byte) {
	c.w.out = out
	c.w.frames++
	if len(out) > hardQueue {
		c.sever(ErrNotReading)
	}
}

// settle asks the role what to do when no stream is open any more. With the lock held.
func (c *link) settle() {
	if c.streams.used == 0 && c.w.ready.empty() {
		c.role.resting()
	}
}

// leave brings the reader home: all is done. With the lock held.
func (c *link) leave() {
	if !c.leaving {
		c.leaving = true
		c.nc.SetReadDeadline(past)
	}
}

// sever gives the socket up, which brings reader and flusher home. With the lock held.
func (c *link) sever(cause error) {
	if !c.severed {
		c.severed, c.cause = true, cause
		c.retire()
		c.nc.SetDeadline(past)
		c.quiet.Broadcast()
	}
}

// past is a deadline that has gone by.
var past = time.Unix(1, 0)

// errNoSettings is a handshake that took too long.
var errNoSettings = errors.New("peer sent no settings in time")

// errLeave is the reader coming home with nothing left to do.
var errLeave = errors.New("connection is drained")

// end fails what is still open, and gets the last frames out. It returns why the connection ended.
func (c *link) end(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err = c.why(err)
	broke, isBroke := errors.AsType[*ProtocolError](err)
	if isBroke {
		c.w.out = c.w.out[:0] // whole frames, which the peer is not owed and must not begin
		c.goaway(ReasonProtocol, broke.Detail)
	} else if err != nil {
		c.sever(err)
	}
	c.loseAll(err)
	c.ended = true
	c.limitWrite()
	c.poke()
	for c.w.writing && !c.severed {
		c.quiet.Wait()
	}
	return err
}

// why makes of what the reader came home with what the caller should read: nil when all was done. With the lock held.
func (c *link) why(err error) error {
	if c.severed {
		err = c.cause
	}
	idle := c.streams.used == 0 && c.w.ready.empty()
	_, isNetwork := errors.AsType[*net.OpError](err)
	gone := isNetwork || errors.Is(err, io.EOF)
	switch {
	case errors.Is(err, errLeave) && idle, gone && idle && (c.draining || c.away) && c.farewell == nil:
		return nil
	case errors.Is(err, errLeave):
		return fmt.Errorf("%w: %d exchanges were open after %v of draining", ErrClosed, c.streams.used, c.cfg.DrainTimeout)
	case gone && c.farewell != nil:
		return c.farewell
	case errors.Is(err, io.EOF):
		return ErrPeerGone
	default:
		return err
	}
}

// loseAll ends every stream. With the lock held.
func (c *link) loseAll(cause error) {
	if cause == nil {
		cause = ErrClosed
	}
	for !c.w.ready.empty() {
		if st := c.w.ready.pop(); st.id == 0 {
			c.role.lost(st, cause)
		}
	}
	for _, e := range c.streams.slots {
		if e.st != nil {
			c.role.lost(e.st, cause)
		}
	}
	c.streams = table{}
}

// part closes the socket. A peer that was told why is given the time to read it.
func (c *link) part(err error) {
	defer c.nc.Close()
	c.mu.Lock()
	severed := c.severed
	c.mu.Unlock()
	if _, isBroke := errors.AsType[*ProtocolError](err); !isBroke || severed {
		return
	}
	half, ok := unwrap(c.nc).(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(linger))
	for {
		if _, err := c.nc.Read(c.r.buf); err != nil {
			return
		}
	}
}

// unwrap finds the connection inside wrappers that say by UnsafeConn that they pass everything but reads through unchanged, as
// fasthttp's hijacked connections do.
func unwrap(nc net.Conn) net.Conn {
	for {
		wrapper, ok := nc.(interface{ UnsafeConn() net.Conn })
		if !ok {
			return nc
		}
		nc = wrapper.UnsafeConn()
	}
}
