package hop

import "time"

// doubt is what a client thinks of a node that says nothing while exchanges wait for it. A process that was stopped, a host that is
// gone and a link that is cut all look the same, and nothing that TCP does about them comes within seconds.
//
// Silence is counted in looks, not by the clock, and between two looks there is an attempt to read: when this process, or the
// whole machine, was not running for a second, that is one look, however late, and what has come meanwhile is heard before the
// next. A node that works on something for long answers pings, and a body in transit is life in either direction.
type doubt struct {
	at    time.Duration // of the next look; never while nobody waits
	reads uint64        // there were at the last look
	heard time.Duration // about when something was read last
	looks int           // in a row at which nothing had been read since the one before
	ping  transit

	suspect  bool // the node is taken for dead until it speaks
	released bool // and its exchanges have been given back
	news     bool // the observer has not heard of a change yet
	times    uint64
	lasted   time.Duration // the silence that has ended
}

// silenceLooks is into how many looks Config.Silence is cut: at the first silent one the node is pinged, and the others are its time
// to answer. So suspicion comes after one to one and a fifth times that silence, and no look is closer to the next than what a busy
// processor may keep a goroutine waiting.
const silenceLooks = 5

// transit is how far a ping has come.
type transit struct {
	end    uint64 // of the ping, in bytes ever written to the connection
	sent   uint64 // bytes written by the last look
	target uint64 // bytes that the node's kernel has once it has the ping; 0 while the ping has not been written
	acked  uint64 // bytes that the node's kernel had at the last look
}

// awaitSigns starts the looks if an exchange is the first that waits. With the lock held.
func (c *client) awaitSigns(now time.Duration) {
	if d := &c.doubt; d.at == never && c.observer.Suspect != nil && c.link.cfg.Silence > 0 {
		d.at, d.reads, d.heard, d.looks = now+c.link.cfg.Silence/silenceLooks, c.link.r.reads.Load(), now, 0
		c.link.armAlarm(d.at)
	}
}

// look judges the node's silence if that is due, and returns when it wants to be asked again. With the lock held.
func (c *client) look(now time.Duration) time.Duration {
	d := &c.doubt
	if now < d.at {
		return d.at
	}
	switch reads := c.link.r.reads.Load(); {
	case reads != d.reads:
		c.hear(reads, now)
	case d.suspect:
		d.news = true
	default:
		c.wonder(now)
	}
	d.at = now + c.link.cfg.Silence/silenceLooks
	if c.open == 0 && !d.suspect {
		d.at = never
	}
	return d.at
}

// hear takes in that there was a sign of life since the last look.
func (c *client) hear(reads uint64, now time.Duration) {
	d := &c.doubt
	if d.suspect {
		d.suspect, d.released, d.news, d.lasted = false, false, true, now-d.heard
	}
	d.reads, d.heard, d.looks = reads, now, 0
}

// wonder takes in one more look at which there was none.
func (c *client) wonder(now time.Duration) {
	d := &c.doubt
	if d.looks == 0 {
		c.ask(now)
	} else if c.pingMoves() {
		d.looks = 0 // the time to answer begins when it is there
	}
	if d.looks++; d.looks == silenceLooks {
		d.suspect, d.news = true, true
		d.times++
	}
}

// ask sends the ping that a node which lives answers.
func (c *client) ask(now time.Duration) {
	l, p := &c.link, &c.doubt.ping
	l.asked = now
	l.control(appendPing(l.w.out, kindPing, uint64(now)))
	acked, _, _ := l.sock.delivered(l.nc)
	*p = transit{end: l.w.taken + uint64(len(l.w.out)), sent: l.w.sent, acked: acked}
}

// pingMoves reports whether the ping cannot have been read yet, and what is ahead of it has moved since the last look: a large body
// on a slow link, which the node's kernel is taking in.
func (c *client) pingMoves() bool {
	l, p := &c.link, &c.doubt.ping
	if l.w.sent < p.end {
		moves := l.w.sent != p.sent
		p.sent = l.w.sent
		return moves
	}
	acked, held, known := l.sock.delivered(l.nc)
	if !known {
		return false
	}
	if p.target == 0 {
		p.target = acked + held
	}
	moves := acked != p.acked && acked < p.target
	p.acked = acked
	return moves
}

// alarmed tells the observer what a look has found. It is called by the reading goroutine after an alarm, without the lock.
func (c *client) alarmed() {
	l, d := &c.link, &c.doubt
	l.mu.Lock()
	news, suspect, lasted, silent := d.news && !l.severed, d.suspect, d.lasted, l.now()-d.heard
	d.news = false
	l.mu.Unlock()
	switch {
	case !news:
	case !suspect:
		if c.observer.Trust != nil {
			c.observer.Trust(lasted)
		}
	default:
		c.release(c.observer.Suspect(silent))
	}
}

// release gives the exchanges back that wait for a suspected node, or lets those wait that come from now on.
func (c *client) release(release bool) {
	l, d := &c.link, &c.doubt
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := d.released; before == release || l.severed {
		return
	}
	if d.released = release; !release {
		return
	}
	silent := (l.now() - d.heard).Round(time.Millisecond)
	for st := l.w.ready.first; st != nil; {
		next := st.out.next
		if st.id == 0 {
			c.giveBack(st, silent)
		}
		st = next
	}
	for _, e := range l.streams.slots {
		if e.st != nil {
			c.giveBack(e.st, silent)
		}
	}
}

// giveBack ends the wait of an exchange, unless it is patient, and tells the node, should it ever read that.
func (c *client) giveBack(st *stream, silent time.Duration) {
	if !st.x.Patient {
		c.abort(st, ReasonCanceled, &Error{Code: CodeSuspect, Detail: "nothing was heard of it for " + silent.String()})
	}
}
