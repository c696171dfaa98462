package hop

import (
	"context"
	"fmt"
	"net"
)

// Conn is the client's end of a connection. Its exchanges run at the same time; each caller waits for its own.
type Conn struct {
	link link
	next uint64 // the next stream's id
	open int    // exchanges begun and not over, with those that only the server has not confirmed the end of
	last uint64 // once the server is away: the last stream that it accepted

	doubt    doubt
	observer Observer
	heard    heard // the reading goroutine's
}

// Open exchanges settings on a connection that has been upgraded. It starts nothing: the caller runs Run. It takes nc over and
// closes it on an error.
func Open(nc net.Conn, cfg Config) (*Conn, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Conn{next: 1, doubt: doubt{at: never}}
	c.link.init(nc, cfg, (*client)(c))
	err := c.link.greet()
	if err == nil {
		err = c.link.meet()
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("cannot open a hop to %v: %w", nc.RemoteAddr(), err)
	}
	return c, nil
}

// Run reads what the node sends until the connection ends, and closes it. When ctx ends the connection is drained: exchanges
// that are open may finish within Config.DrainTimeout. It returns nil when the connection was drained, by either side, and
// otherwise why it broke; by then every exchange has its answer or error. It must be called exactly once.
func (c *Conn) Run(ctx context.Context) error { return c.link.run(ctx) }

// Close breaks the connection off. Open exchanges fail with CodeBroken. Run returns ErrClosed.
func (c *Conn) Close() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.sever(ErrClosed)
	if !c.link.running {
		c.link.nc.Close()
	}
}

// Usable says whether Do would be let in now: the connection is neither draining nor broken, has room, and its node is not suspected. It is a hint.
func (c *Conn) Usable() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.takes() && c.room() && !c.doubt.released
}

// Conditions says whether the node takes conditions; see Request.Most and Request.Within.
func (c *Conn) Conditions() bool { return c.link.peer.conditions != 0 }

// Retired is closed once the connection will let no new exchange in: the node has said goaway, or Run is ending. Those that are
// open may still be answered.
func (c *Conn) Retired() <-chan struct{} { return c.link.retired }

// Stats returns what the connection has done so far.
func (c *Conn) Stats() Stats {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	s := c.link.stats()
	s.Suspect, s.Suspicions = c.doubt.suspect, c.doubt.times
	if !c.link.ended {
		s.Open = c.open
	}
	return s
}

// Do sends x.Request and waits for x.Response. It returns an *Error when there is none; by then nobody touches x or its memory.
// The body goes to the memory of x.Response.Body, or to new memory if that is too small. After an error Response holds nothing
// of use. Many may be called at once, each with an exchange of its own; while nobody runs Run nothing comes back.
func (c *Conn) Do(x *Exchange) error {
	if err := c.unfit(&x.Request); err != nil {
		return err
	}
	l, st := &c.link, &x.st
	now, deadline := l.now(), l.instant(x.Request.Deadline)
	if deadline <= now {
		return &Error{Code: CodeDeadline}
	}
	l.mu.Lock()
	if err := c.admit(x); err != nil {
		l.mu.Unlock()
		return err
	}
	c.open++
	(*client)(c).awaitSigns(now)
	st.begin(now, deadline)
	l.send(st, x.Request.Body)
	l.armAlarm(deadline)
	writer := l.claim()
	l.mu.Unlock()
	if writer {
		l.write()
	}
	<-st.wake
	if x.Streamed {
		return c.opened(x)
	}
	if st.err == nil && st.in.mem.buf != nil {
		x.Response.Body = st.in.mem.moveTo(x.Response.Body, l.cfg.Budget.budget)
	}
	return st.err
}

// unfit says why a request cannot be carried at all.
func (c *Conn) unfit(r *Request) error {
	if why := r.headLimit(); why != "" {
		return &Error{Code: CodeInvalid, Detail: why}
	}
	if most := c.link.peer.maxBody; int64(len(r.Body)) > most {
		return &Error{Code: CodeTooLarge, Detail: fmt.Sprintf("request body of %d bytes, the node takes %d", len(r.Body), most)}
	}
	return nil
}

// admit makes x an exchange of this connection, or says why that cannot be now. With the lock held.
func (c *Conn) admit(x *Exchange) error {
	switch {
	case c.link.severed:
		return &Error{Code: CodeBroken, Cause: c.link.cause}
	case !c.takes():
		return &Error{Code: CodeDraining}
	case !c.room():
		return &Error{Code: CodeBusy}
	case c.doubt.released && !x.Patient:
		return &Error{Code: CodeSuspect}
	case x.body != nil:
		panic("BUG: exchange used again before its streamed body was closed")
	}
	x.active.Store(c)
	// Cancel sets its flag and then looks whether the exchange is active; here it is made active and then the flag is looked
	// at. One of the two sees the other.
	if x.canceled.Load() {
		x.active.Store(nil)
		return &Error{Code: CodeCanceled}
	}
	if x.st.x == nil {
		x.st.x, x.st.wake = x, make(chan struct{}, 1)
	}
	return nil
}

// takes says whether new exchanges may begin. With the lock held.
func (c *Conn) takes() bool {
	l := &c.link
	return !(l.severed || l.ended || l.draining || l.away || l.leaving)
}

// room says whether one more exchange fits. With the lock held.
func (c *Conn) room() bool {
	return int64(c.open) < min(c.link.peer.maxStreams, int64(c.link.cfg.MaxStreams))
}

// cancel ends x if it is still open here.
func (c *Conn) cancel(x *Exchange) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if x.active.Load() == c {
		(*client)(c).abort(&x.st, ReasonCanceled, &Error{Code: CodeCanceled})
	}
}
