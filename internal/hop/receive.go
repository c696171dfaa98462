package hop

import "time"

// receive takes in one frame whose header has been read. An error ends the connection.
func (c *link) receive(h frameHeader) error {
	c.r.bulk = h.kind == kindChunk
	limit := uint32(maxControl)
	switch h.kind {
	case kindChunk:
		return c.chunk(h)
	case kindRequest, kindResponse:
		limit = maxWhole
	case kindCancel, kindWindow:
	case kindPing, kindPong, kindGoaway, kindLoad:
		if h.id != 0 {
			return violation("%v frame on stream %d", h.kind, h.id)
		}
	default:
		return c.unknown(h)
	}
	if h.length > limit {
		return violation("%v frame of %d bytes, accepted are %d", h.kind, h.length, limit)
	}
	payload, err := c.r.payload(h)
	if err != nil {
		return err
	}
	switch h.kind {
	case kindPing:
		return c.ping(payload)
	case kindPong:
		return c.pong(payload)
	case kindWindow:
		return c.window(h, payload)
	default:
		return c.role.frame(h, payload)
	}
}

// unknown skips what says that it may be skipped.
func (c *link) unknown(h frameHeader) error {
	if h.flags&flagOptional == 0 || h.kind == kindSettings || h.length > chunkSize {
		return violation("unexpected %v frame of %d bytes", h.kind, h.length)
	}
	return c.r.skip(h)
}

// ping is answered by the flusher, which shows that more than the reading goroutine is alive.
func (c *link) ping(payload []byte) error {
	token, err := parsePing(payload)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control(appendPing(c.w.out, kindPong, token))
	c.poke()
	return nil
}

// pong proves by its coming that the peer lives. Its token tells the round trip.
func (c *link) pong(payload []byte) error {
	token, err := parsePing(payload)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if asked := time.Duration(token); asked == c.asked {
		c.trip = c.now() - asked
	}
	return nil
}

// window lets a stream's body go on.
func (c *link) window(h frameHeader, payload []byte) error {
	bytes, err := parseWindow(payload)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	st, err := c.role.receiver(h)
	if st == nil || st.out.complete {
		return err
	}
	if st.out.window += bytes; st.out.window > maxCredit {
		return violation("stream %d is granted more than any body has", h.id)
	}
	st.touched = c.now()
	if st.sendable() && st.id != 0 && st.out.body != nil {
		c.w.ready.push(st)
		c.poke()
	}
	return nil
}

// chunk reads a piece of a body to where it belongs.
func (c *link) chunk(h frameHeader) error {
	if h.length == 0 || h.length > chunkSize {
		return violation("chunk frame of %d bytes, accepted are 1 to %d", h.length, chunkSize)
	}
	c.mu.Lock()
	st, err := c.role.receiver(h)
	if st != nil {
		err = st.in.check(h)
	}
	if st == nil || err != nil {
		c.mu.Unlock()
		if err == nil {
			err = c.r.skip(h)
		}
		return err
	}
	st.in.receiving = true
	if st.in.streamed {
		return c.chunkToRing(h, st)
	}
	return c.chunkToBody(h, st)
}

// chunkToBody reads a chunk into the stream's memory. With the lock held, which it releases.
func (c *link) chunkToBody(h frameHeader, st *stream) error {
	mem, want := st.in.mem, st.in.want
	st.in.mem = body{}
	c.mu.Unlock()
	first, second := mem.room(int(h.length), want, c.cfg.Budget.budget)
	err := c.r.body(h, first, second)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abandoned(h, st) {
		mem.drop(c.cfg.Budget.budget)
		return err
	}
	st.in.mem = mem
	return c.filled(h, st, err)
}

// chunkToRing reads a chunk to where the caller of a streamed exchange reads. With the lock held, which it releases.
func (c *link) chunkToRing(h frameHeader, st *stream) error {
	ring, at := st.in.ring, st.in.got
	c.mu.Unlock()
	err := c.r.bodyRing(h, ring, at)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abandoned(h, st) {
		return err
	}
	return c.filled(h, st, err)
}

// abandoned says whether the stream was given up while the reader read for it. If so, what it was embedded in may be in use
// elsewhere. With the lock held.
func (c *link) abandoned(h frameHeader, st *stream) bool {
	e := c.streams.find(h.id)
	if e != nil && e.st == st {
		return false
	}
	c.role.orphan(st, h)
	return true
}

// filled accounts for a chunk that has been read. With the lock held.
func (c *link) filled(h frameHeader, st *stream, err error) error {
	in := &st.in
	in.receiving = false
	if err != nil {
		return err
	}
	in.got += int64(h.length)
	in.credit -= int64(h.length)
	st.touched = c.now()
	if h.ends() {
		c.role.arrived(st)
	} else if in.streamed {
		st.signal()
	} else {
		c.supply(st)
	}
	return nil
}
