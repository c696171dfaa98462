package hop

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Handler answers one request. It fills in resp, which comes reset to status 0 and may lend its Body[:0] for appending, and
// returns; the answer is sent then. ctx ends when the client has cancelled, the deadline has passed or the connection is
// gone; its Done channel is made when it is first asked for, so Err is the cheaper question. ctx, req, resp and every slice
// in them die with the return. A panic costs the request, not the process.
type Handler func(ctx context.Context, req *Request, resp *Response)

// Server serves the hop on any number of connections.
type Server struct {
	handler Handler
	cfg     Config
	report  func(error)
	tasks   sync.Pool // of *task
	clients clients
}

// NewServer returns a server that starts nothing. report hears what does not end a connection but somebody should read: a handler's
// panic with its stack, and once a connection a client that goes over its limits. It must be safe for concurrent use; nil is
// nobody.
func NewServer(h Handler, cfg Config, report func(error)) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if report == nil {
		report = func(error) {}
	}
	return &Server{handler: h, cfg: cfg, report: report}, nil
}

// Serve serves one connection, on which the upgrade has been answered, until it ends, and closes it. When ctx ends the
// connection is drained: the client is told to open no more exchanges, those that are open may finish within
// Config.DrainTimeout. It returns nil when the connection was drained by either side and otherwise why it broke, after every
// handler has returned.
func (s *Server) Serve(ctx context.Context, nc net.Conn) error {
	c := &serverConn{server: s}
	c.link.init(nc, s.cfg, c)
	return c.serve(ctx)
}

// serverConn is one connection of a server.
type serverConn struct {
	link     link
	server   *Server
	crew     crew
	last     uint64 // the highest stream that was begun
	accepted uint64 // the highest that is worked on, once this end has said goaway
	running  int    // requests that the handler has
	told     telling
	reported bool  // that the client went over its limits
	news     error // to be reported once the lock is released
}

func (c *serverConn) serve(ctx context.Context) error {
	l := &c.link
	err := l.meet()
	if err == nil {
		err = l.greet()
	}
	if err != nil {
		l.nc.Close()
		return fmt.Errorf("cannot open a hop from %v: %w", l.nc.RemoteAddr(), err)
	}
	c.server.clients.add(c)
	err = l.run(ctx)
	c.server.clients.remove(c)
	c.crew.dismiss(&l.mu)
	return err
}

func (c *serverConn) headKind() kind { return kindResponse }

func (c *serverConn) appendHead(dst []byte, st *stream) []byte {
	return appendResponseHead(dst, &st.task.resp)
}

func (c *serverConn) frame(h frameHeader, payload []byte) error {
	c.link.mu.Lock()
	err := c.take(h, payload)
	news := c.news
	c.news = nil
	c.link.mu.Unlock()
	if news != nil {
		c.server.report(news)
	}
	return err
}

func (c *serverConn) take(h frameHeader, payload []byte) error {
	switch h.kind {
	case kindRequest:
		return c.request(h, payload)
	case kindCancel:
		return c.cancel(h, payload)
	case kindGoaway:
		return c.goaway(payload)
	default:
		return violation("%v frame from a client", h.kind)
	}
}

// receiver finds the stream of a chunk or window. The client may not know yet that a stream has ended.
func (c *serverConn) receiver(h frameHeader) (*stream, error) {
	if e := c.link.streams.find(h.id); e != nil {
		return e.st, nil
	}
	if h.id == 0 || h.id > c.last {
		return nil, violation("%v frame on stream %d, which was not begun", h.kind, h.id)
	}
	return nil, nil
}

// request begins a stream.
func (c *serverConn) request(h frameHeader, payload []byte) error {
	if h.id <= c.last {
		return violation("request on stream %d after stream %d", h.id, c.last)
	}
	c.last = h.id
	if c.link.draining {
		return nil // goaway has told the client that this one is not accepted
	}
	if c.link.streams.used >= c.server.cfg.MaxStreams {
		c.refuse(h.id, ReasonRefused, fmt.Sprintf("more than %d streams", c.server.cfg.MaxStreams))
		return nil
	}
	t := c.server.newTask(c)
	t.buf = append(t.buf[:0], payload...)
	d, err := readRequestHead(t.buf, &t.req)
	if err != nil {
		c.server.recycle(t)
		return err
	}
	if !c.server.cfg.Conditions {
		t.req.Most, t.req.Within = 0, 0
	}
	body := t.buf[d.size:]
	if whole := int64(len(body)) == d.body; int64(len(body)) > d.body || whole != h.ends() {
		c.server.recycle(t)
		return violation("request on stream %d has %d of %d bytes with its end flag %v", h.id, len(body), d.body, h.ends())
	}
	if why, reason := c.unacceptable(t, d, h.ends()); why != "" {
		c.server.recycle(t)
		c.refuse(h.id, reason, why)
		return nil
	}
	now := c.link.now()
	deadline := never
	if d.left > 0 && d.left < never-now {
		deadline = now + d.left
		t.req.Deadline = c.link.epoch.Add(deadline)
		c.link.armAlarm(deadline)
	}
	t.st.begin(now, deadline)
	t.st.id = h.id
	c.link.streams.add(h.id, &t.st)
	if h.ends() {
		t.req.Body = body
		c.dispatch(t)
		return nil
	}
	c.expect(t, d, body)
	return nil
}

// unacceptable says why a request is not even begun.
func (c *serverConn) unacceptable(t *task, d decodedHead, whole bool) (string, Reason) {
	if why := t.req.forbidden(); why != "" {
		return why, ReasonInvalid
	}
	if most := c.server.cfg.MaxBody; d.body > most {
		return fmt.Sprintf("request body of %d bytes, accepted are %d", d.body, most), ReasonTooLarge
	}
	if !whole && !c.server.cfg.Budget.reserve(d.body) {
		return fmt.Sprintf("no memory for a request body of %d bytes", d.body), ReasonMemory
	}
	return "", ReasonNone
}

// refuse tells the client that a stream was not begun and is over.
func (c *serverConn) refuse(id uint64, reason Reason, why string) {
	c.link.control(appendCancel(c.link.w.out, id, flagNotBegun, reason, why))
	c.link.poke()
	if !c.reported {
		c.reported = true
		c.news = fmt.Errorf("refused a request from %v: %v: %s", c.link.nc.RemoteAddr(), reason, why)
	}
}

// expect makes ready for the chunks of a large request.
func (c *serverConn) expect(t *task, d decodedHead, body []byte) {
	in := &t.st.in
	window := int64(c.server.cfg.Window)
	in.started, in.want, in.got, in.reserved = true, d.body, int64(len(body)), d.body
	in.credit = window - in.got
	in.mem.add(body, d.body, c.server.cfg.Budget.budget)
	c.link.large(&t.st)
	c.link.supply(&t.st)
}

// arrived hands a complete request to a worker.
func (c *serverConn) arrived(st *stream) {
	c.link.over(st)
	c.dispatch(st.task)
}

// orphan recycles a task that ended while the reader filled its body.
func (c *serverConn) orphan(st *stream, _ frameHeader) { c.server.recycle(st.task) }

// cancel ends a stream at the client's wish, and confirms that it has ended.
func (c *serverConn) cancel(h frameHeader, payload []byte) error {
	if _, _, err := parseCancel(payload); err != nil {
		return err
	}
	st, err := c.receiver(h)
	if st == nil {
		return err
	}
	t := st.task
	switch t.phase {
	case phaseReceiving:
		c.drop(st, flagNotBegun, ReasonCanceled, "")
	case phaseRunning: // the worker has the last word
		t.canceled = true
		t.ctx.end(context.Canceled)
	case phaseReplying:
		c.drop(st, 0, ReasonCanceled, "")
	}
	return nil
}

// drop ends a stream without an answer.
func (c *serverConn) drop(st *stream, flags uint8, reason Reason, text string) {
	c.strike(st, flags, reason, text)
	c.link.poke()
	c.gone(st)
	c.link.settle()
}

// strike takes a stream out of the books and queues the word for that.
func (c *serverConn) strike(st *stream, flags uint8, reason Reason, text string) {
	l := &c.link
	l.w.ready.remove(st)
	l.streams.remove(st.id)
	l.control(appendCancel(l.w.out, st.id, flags, reason, text))
}

// decline ends a stream whose condition does not hold. The load that says so goes first, and is as good as one that was told.
func (c *serverConn) decline(st *stream, load Load) {
	l, own := &c.link, int64(c.running)
	c.told = telling{others: load.others(own), at: l.now()}
	c.server.clients.declined.Add(1)
	l.control(appendLoadFrame(l.w.out, load, uint32(own)))
	c.strike(st, flagNotBegun, ReasonDeclined, "")
	c.gone(st) // who calls it writes
	l.settle()
}

// gone lets go of a stream that is no longer in the table: its memory, or whoever waits for its answer to be sent.
func (c *serverConn) gone(st *stream) {
	c.link.over(st)
	switch {
	case st.task.phase == phaseReplying:
		st.finish(nil)
	case !st.in.receiving: // otherwise the reader is filling it, and finds it orphaned
		c.server.recycle(st.task)
	}
}

// abandon ends what is late or stalled. A handler is told by its context, and still has the last word.
func (c *serverConn) abandon(st *stream, reason Reason, text string) {
	switch {
	case st.task.phase == phaseReceiving:
		c.drop(st, flagNotBegun, reason, text)
	case reason == ReasonStalled:
		c.drop(st, 0, reason, text)
	default:
		st.deadline = never
		st.task.ctx.end(context.DeadlineExceeded)
	}
}

// lost ends a stream whose connection has ended.
func (c *serverConn) lost(st *stream, _ error) {
	if st.task.phase == phaseRunning {
		st.task.ctx.end(context.Canceled)
		return
	}
	c.gone(st)
}

// sent forgets a stream as its last frame goes out: the client takes it for closed when it reads that.
func (c *serverConn) sent(st *stream) {
	c.link.streams.remove(st.id)
	st.finish(nil)
	c.link.settle()
}

// goaway: the client opens no more streams; it will close when all are done.
func (c *serverConn) goaway(payload []byte) error {
	_, reason, text, err := parseGoaway(payload)
	if err != nil {
		return err
	}
	c.link.away = true
	if reason != ReasonNone {
		c.link.farewell = &GoawayError{Reason: reason, Text: printable(text)}
	}
	return nil
}

func (c *serverConn) lastAccepted() uint64 {
	if !c.link.draining {
		c.accepted = c.last
	}
	return c.accepted
}

// resting: the client closes a drained connection; it gets a moment for that.
func (c *serverConn) resting() {
	if c.link.draining {
		c.link.drainAt = min(c.link.drainAt, c.link.now()+linger)
		c.link.armAlarm(c.link.drainAt)
	}
}

// look and alarmed: a server has no doubts, since it waits for nobody.
func (c *serverConn) look(time.Duration) time.Duration { return never }
func (c *serverConn) alarmed()                         {}

// tick lets workers go that had nothing to do since the last one.
func (c *serverConn) tick() { c.crew.trim() }
