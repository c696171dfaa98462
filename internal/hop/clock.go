package hop

import "time"

// looks is how often silence is looked at after a ping before the peer counts as hung. More than one, so that a process that
// was stopped for a while reads what has come meanwhile before it judges.
const looks = 3

// The read deadline of the connection is its only timer: it goes off at the earliest of the next look at silence, the end of
// a drain, the next look of a client at its doubts and the first deadline of a stream. Streams usually end long before their deadlines, and those of later streams are
// usually later, so that the deadline is moved once in a while and not once an exchange.

// startClock sets the first alarm.
func (c *link) startClock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.r.alarm = true, c.alarm
	c.nc.SetDeadline(time.Time{})
	c.pingAt = c.now() + c.cfg.PingInterval
	c.setAlarm(min(c.alarmAt, c.pingAt)) // exchanges may have begun before
	if c.severed || c.leaving {
		c.nc.SetDeadline(past)
	}
}

// armAlarm makes the alarm go off at the given instant if it would not earlier. With the lock held.
func (c *link) armAlarm(at time.Duration) {
	if at < c.alarmAt {
		c.setAlarm(at)
	}
}

func (c *link) setAlarm(at time.Duration) {
	c.alarmAt = at
	if !c.severed && !c.leaving {
		c.nc.SetReadDeadline(c.epoch.Add(at))
	}
}

// alarm is called by the reading goroutine when the read deadline has gone off. An error brings it home.
func (c *link) alarm() error {
	err := c.judge()
	c.role.alarmed()
	return err
}

// judge does what is due, and sets the next alarm.
func (c *link) judge() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	next := min(c.sweep(now), c.drainAt, c.role.look(now))
	if now >= c.pingAt {
		c.listen(now)
		c.w.trim()
		c.role.tick()
	}
	if now >= c.drainAt {
		c.leave()
	}
	c.setAlarm(min(next, c.pingAt))
	c.poke()
	switch {
	case c.severed:
		return c.cause
	case c.leaving:
		return errLeave
	}
	return nil
}

// listen judges silence. With the lock held.
func (c *link) listen(now time.Duration) {
	switch {
	case c.r.heard:
		c.r.heard, c.silent = false, 0
		c.pingAt = now + c.cfg.PingInterval
		return
	case c.silent == looks:
		c.sever(ErrHung)
		return
	case c.silent == 0:
		c.asked = now
		c.control(appendPing(c.w.out, kindPing, uint64(now)))
	}
	c.silent++
	c.pingAt = now + c.cfg.PingTimeout/looks
}

// sweep abandons the streams whose deadline has passed or whose body is stalled, and returns the earliest deadline of the
// others. With the lock held.
func (c *link) sweep(now time.Duration) time.Duration {
	next := never
	c.due = c.due[:0]
	look := func(st *stream) {
		if st.deadline <= now || st.stalled(now-c.cfg.StallTimeout) {
			c.due = append(c.due, st)
		} else {
			next = min(next, st.deadline)
		}
	}
	for _, e := range c.streams.slots {
		if e.st != nil {
			look(e.st)
		}
	}
	for st := c.w.ready.first; st != nil; st = st.out.next {
		if st.id == 0 {
			look(st)
		}
	}
	for i, st := range c.due {
		if st.deadline <= now {
			c.role.abandon(st, ReasonDeadline, "")
		} else {
			c.role.abandon(st, ReasonStalled, "the body made no progress for "+c.cfg.StallTimeout.String())
		}
		c.due[i] = nil
	}
	return next
}
