package hop

import (
	"encoding/binary"
	"fmt"
	"time"
)

// client is Conn as its link sees it: what the server sends and what happens to streams.
type client Conn

func (c *client) headKind() kind       { return kindRequest }
func (c *client) sent(*stream)         {}
func (c *client) lastAccepted() uint64 { return 0 }
func (c *client) tick()                {}

// appendHead numbers the stream: ids rise in the order in which requests go out.
func (c *client) appendHead(dst []byte, st *stream) []byte {
	st.id = c.next
	c.next++
	c.link.streams.add(st.id, st)
	left := time.Duration(0)
	if st.deadline != never {
		left = max(st.deadline-st.touched, time.Microsecond) // none would be no deadline
	}
	start := len(dst)
	dst = appendRequestHead(dst, &st.x.Request, left)
	if c.link.peer.conditions == 0 {
		dst[start+headCondition] = 0
	}
	return dst
}

func (c *client) frame(h frameHeader, payload []byte) error {
	told := c.heard
	c.heard = heard{}
	switch h.kind {
	case kindGoaway:
		return c.goaway(payload)
	case kindLoad:
		return c.loaded(payload)
	}
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	switch h.kind {
	case kindResponse:
		return c.response(h, payload)
	case kindCancel:
		return c.canceled(h, payload, told)
	default:
		return violation("%v frame from a server", h.kind)
	}
}

// receiver finds the stream of a chunk or window. The server ends a stream before it forgets it and the client forgets it only
// then, so that an unknown id is a server that has lost count.
func (c *client) receiver(h frameHeader) (*stream, error) {
	e := c.link.streams.find(h.id)
	if e == nil {
		return nil, violation("%v frame on stream %d, which is not open", h.kind, h.id)
	}
	if e.st == nil && h.kind == kindChunk && h.ends() {
		c.retire(h.id)
		return nil, nil
	}
	return e.st, nil
}

// response takes in the beginning of an answer, and the whole of a small one.
func (c *client) response(h frameHeader, payload []byte) error {
	e := c.link.streams.find(h.id)
	switch {
	case e == nil:
		return violation("response on stream %d, which is not open", h.id)
	case e.st == nil:
		if h.ends() {
			c.retire(h.id)
		}
		return nil
	case !e.st.out.complete:
		return violation("response on stream %d before its request was complete", h.id)
	case e.st.in.started:
		return violation("second response on stream %d", h.id)
	}
	st, x := e.st, e.st.x
	x.head = append(x.head[:0], payload[:headPart(payload)]...)
	d, err := readResponseHead(x.head, &x.Response)
	if err != nil {
		return err
	}
	body := payload[d.size:]
	if whole := int64(len(body)) == d.body; int64(len(body)) > d.body || whole != h.ends() {
		return violation("response on stream %d has %d of %d bytes with its end flag %v", h.id, len(body), d.body, h.ends())
	}
	st.in.started, st.in.want = true, d.body
	if why := x.Response.forbidden(); why != "" {
		c.spoil(h, st, ReasonInvalid, &Error{Code: CodeFailed, Begun: true, Detail: why})
		return nil
	}
	if !x.Streamed && d.body > c.link.cfg.MaxBody {
		text := fmt.Sprintf("response body of %d bytes, accepted are %d", d.body, c.link.cfg.MaxBody)
		c.spoil(h, st, ReasonTooLarge, &Error{Code: CodeTooLarge, Begun: true, Detail: text})
		return nil
	}
	if h.ends() {
		st.in.got = d.body
		x.Response.Body = append(x.Response.Body[:0], body...)
		c.arrived(st)
		return nil
	}
	c.expect(st, body)
	return nil
}

// headPart is how much of a payload is head, by its own account.
func headPart(payload []byte) int {
	if len(payload) < 2 {
		return len(payload)
	}
	return min(int(binary.LittleEndian.Uint16(payload)), len(payload))
}

// spoil gives up an answer that the caller shall not have.
func (c *client) spoil(h frameHeader, st *stream, reason Reason, err *Error) {
	if h.ends() {
		c.retire(h.id)
		c.complete(st, err)
		return
	}
	c.abort(st, reason, err)
}

// expect makes ready for the chunks of a large answer.
func (c *client) expect(st *stream, body []byte) {
	l, in := &c.link, &st.in
	window := int64(l.cfg.Window)
	memory := in.want
	if st.x.Streamed {
		memory = min(in.want, window)
	}
	if !l.cfg.Budget.reserve(memory) {
		text := fmt.Sprintf("no memory for a response body of %d bytes", in.want)
		c.abort(st, ReasonMemory, &Error{Code: CodeNoMemory, Begun: true, Detail: text})
		return
	}
	in.reserved, in.got, in.credit = memory, int64(len(body)), window-int64(len(body))
	l.large(st)
	if st.x.Streamed {
		in.streamed = true
		in.ring = l.cfg.Budget.get(memory)[:memory]
		copy(in.ring, body)
		st.signal()
		return
	}
	in.mem.add(body, in.want, l.cfg.Budget.budget)
	l.supply(st)
}

// arrived hands a complete answer to its caller.
func (c *client) arrived(st *stream) {
	c.retire(st.id)
	c.complete(st, nil)
}

// orphan: the exchange has gone back to its caller and may be in use elsewhere, so it is not touched. Its last chunk is the server's
// last word.
func (c *client) orphan(_ *stream, h frameHeader) {
	if h.ends() {
		c.retire(h.id)
	}
}

// canceled takes in the server's word that there will be no answer, or that a cancel has reached it.
func (c *client) canceled(h frameHeader, payload []byte, told heard) error {
	reason, text, err := parseCancel(payload)
	if err != nil {
		return err
	}
	e := c.link.streams.find(h.id)
	if e == nil {
		return violation("cancel on stream %d, which is not open", h.id)
	}
	if st := e.st; st != nil {
		c.link.w.ready.remove(st)
		failed := &Error{Code: codeOf(reason), Begun: h.flags&flagNotBegun == 0, Detail: printable(text)}
		if reason == ReasonDeclined {
			c.declined(failed, &st.x.Request, told)
		}
		c.complete(st, failed)
	}
	c.retire(h.id)
	return nil
}

// heard is a load that came without an answer, in the frame before.
type heard struct {
	load Load
	own  uint32
}

// declined makes of a node's decline what it is. One that the condition does not allow is a node that fails, so that whoever counts
// failures finds out: a node that declined all it is sent would otherwise look idle for ever.
func (c *client) declined(e *Error, r *Request, told heard) {
	switch {
	case !r.conditional() || !(*Conn)(c).Conditions():
		e.Detail = "declined a request that has no condition"
	case e.Begun:
		e.Detail = "declined what it may have begun"
	case !told.load.Known:
		e.Detail = "declined without its load"
	case r.Allows(told.load):
		e.Detail = r.excuses(told.load)
	default:
		e.Code, e.Load, e.Own = CodeDeclined, told.load, told.own
	}
}

// loaded passes a load on that came without an answer.
func (c *client) loaded(payload []byte) error {
	l, own, err := parseLoadFrame(payload)
	if err != nil {
		return err
	}
	c.heard = heard{l, own}
	if c.observer.Load != nil {
		c.observer.Load(l, own)
	}
	return nil
}

// goaway takes in that the server accepts no more, and tells the observer if it drains.
func (c *client) goaway(payload []byte) error {
	last, reason, text, err := parseGoaway(payload)
	if err != nil {
		return err
	}
	if reason == ReasonNone && c.observer.Goaway != nil {
		c.observer.Goaway(printable(text)) // before exchanges come back and ask for another node
	}
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.turnedAway(last, reason, text)
}

// turnedAway fails what the server has not accepted; it may be sent elsewhere. The rest goes on. With the lock held.
func (c *client) turnedAway(last uint64, reason Reason, text []byte) error {
	l := &c.link
	if l.away && last > c.last {
		return violation("goaway accepts stream %d after one that accepted %d", last, c.last)
	}
	l.away, c.last = true, last
	l.retire()
	if reason != ReasonNone {
		l.farewell = &GoawayError{Reason: reason, Text: printable(text)}
	}
	refused := func() *Error { return &Error{Code: CodeDraining, Detail: printable(text)} }
	var over []uint64
	for _, e := range l.streams.slots {
		if e.id > last {
			over = append(over, e.id)
		}
	}
	for _, id := range over {
		if st := l.streams.find(id).st; st != nil {
			l.w.ready.remove(st)
			c.complete(st, refused())
		}
		c.retire(id)
	}
	for st := l.w.ready.first; st != nil; {
		next := st.out.next
		if st.id == 0 {
			c.abort(st, ReasonNone, refused())
		}
		st = next
	}
	l.settle()
	return nil
}

// abandon ends an exchange that is late or stalled.
func (c *client) abandon(st *stream, reason Reason, text string) {
	c.abort(st, reason, &Error{Code: codeOf(reason), Detail: text})
}

// abort ends an exchange before its answer is complete, and tells the server if that has heard of it. The id stays taken until the
// server confirms, so that both count the same number of open streams.
func (c *client) abort(st *stream, reason Reason, err *Error) {
	l := &c.link
	l.w.ready.remove(st)
	// A request whose last frame is queued goes out, and the cancel after it.
	err.Begun = st.out.complete
	if st.id == 0 {
		c.open--
	} else {
		l.streams.find(st.id).st = nil
		l.control(appendCancel(l.w.out, st.id, 0, reason, ""))
		l.poke()
	}
	c.complete(st, err)
	l.settle()
}

// lost ends an exchange whose connection has ended. The server may have begun if it may have the whole request.
func (c *client) lost(st *stream, cause error) {
	w := &c.link.w
	gone := w.sent
	if w.busy || !c.link.severed {
		gone = w.taken // some of it may be on its way, or still go
	}
	c.open--
	c.complete(st, &Error{Code: CodeBroken, Begun: st.out.endAt <= gone, Cause: cause})
}

// retire frees an id that the server has ended.
func (c *client) retire(id uint64) {
	c.link.streams.remove(id)
	c.open--
	c.link.settle()
}

// complete gives the exchange back to its caller.
func (c *client) complete(st *stream, err error) {
	in, pool := &st.in, c.link.cfg.Budget
	c.link.over(st)
	if !in.streamed {
		pool.release(in.reserved)
		in.reserved = 0
	}
	if err != nil {
		in.mem.drop(pool.budget)
		if in.receiving {
			in.ring = nil // the reader is filling it and cannot be called back
		}
	}
	st.x.active.Store(nil)
	st.finish(err)
}

// resting: the server has nothing more to say once nothing is open and one side has said goaway.
func (c *client) resting() {
	if c.link.draining || c.link.away {
		c.link.leave()
	}
}
