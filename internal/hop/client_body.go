package hop

import "io"

// opened ends the first part of a streamed Do: the head has come, or nothing will.
func (c *Conn) opened(x *Exchange) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if in := &x.st.in; !in.streamed { // the answer came whole
		in.streamed, in.ring = true, x.Response.Body
	}
	if x.st.err != nil {
		c.reclaim(x)
		return x.st.err
	}
	x.body = c
	return nil
}

// readBody copies what has arrived, and grants the server as much again when half of the ring is free.
func (c *Conn) readBody(x *Exchange, p []byte) (int, error) {
	l, st, in := &c.link, &x.st, &x.st.in
	l.mu.Lock()
	for in.got == in.taken || st.err != nil {
		var err error
		switch {
		case st.finished && st.err != nil:
			err = st.err
		case in.taken == in.want:
			err = io.EOF
		}
		l.mu.Unlock()
		if err != nil {
			return 0, err
		}
		<-st.wake
		l.mu.Lock()
	}
	start := int(in.taken % int64(len(in.ring)))
	there := in.ring[start:min(start+int(in.got-in.taken), len(in.ring))]
	l.mu.Unlock()
	n := copy(p, there) // the reader fills other places than these
	l.mu.Lock()
	in.taken += int64(n)
	writer := false
	if back := in.taken - in.granted; !st.finished && back >= int64(len(in.ring))/2 {
		in.granted = in.taken
		l.grant(st, min(back, in.want-in.got-in.credit))
		writer = l.claim()
	}
	l.mu.Unlock()
	if writer {
		l.write()
	}
	return n, nil
}

// closeBody ends a streamed exchange.
func (c *Conn) closeBody(x *Exchange) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if !x.st.finished {
		(*client)(c).abort(&x.st, ReasonCanceled, &Error{Code: CodeCanceled})
	}
	c.reclaim(x)
}

// reclaim takes back the memory of a streamed exchange that is over. With the lock held, which it releases while the writer still
// reads the request's.
func (c *Conn) reclaim(x *Exchange) {
	l, st := &c.link, &x.st
	for st.out.pinned > 0 {
		l.mu.Unlock()
		<-st.wake
		l.mu.Lock()
	}
	if st.in.reserved > 0 {
		l.cfg.Budget.release(st.in.reserved)
		l.cfg.Budget.put(st.in.ring)
	}
	st.in.reserved, st.in.ring = 0, nil
}
