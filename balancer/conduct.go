package balancer

import (
	"sync/atomic"
	"time"
)

// conduct is how a placement has behaved, as far as judgements care. A placement has one from the first judgement after its
// first attempt on, so that models nobody asks for take no memory.
type conduct struct {
	stopwatch stopwatch
	lookAt    atomic.Int64 // from then on, by the pool's clock, a request should find out how it is; 0 = no need
	ejections atomic.Uint64

	// Under Pool.control.
	tally    tally
	setback  setback
	answered uint64        // by the last judgement
	silent   time.Duration // for which it has been judged to have work and not to answer
	hushed   bool          // it was ejected for that: its next answer ends it
	fine     int           // looks since its ejection that found it well ...
	poor     int           // ... and slow
	verdict  Ejection      // why it is ejected
}

// lookPause is the least time between two requests that are sent to find out. Ten a second give certainty about a node that
// the policy avoids within a second, and are next to nothing.
const lookPause = 100 * time.Millisecond

// due reports whether a request should be sent now to find out.
func (c *conduct) due(now time.Duration) bool {
	at := c.lookAt.Load()
	return at != 0 && int64(now) >= at && !c.stopwatch.following.Load() && int64(now)-c.stopwatch.sent.Load() >= int64(lookPause)
}

// ended takes the end of a request. What was given up or failed took at least that long, which says something only if it is longer
// than usual.
func (c *conduct) ended(l *Lease, o Outcome, now time.Duration) {
	w := &c.stopwatch
	keep := o == Success
	if usual := unpacked(w.usual.Load()); !keep && usual.latency > 0 {
		keep = logOf(now-l.began) > usual.latency
	}
	if keep && !l.untimed {
		w.answered(l.began, now)
	}
}

// wantsLook reports whether a request should find out how the placement is, now or later.
func (pl *placement) wantsLook() bool {
	c := pl.conduct.Load()
	return c != nil && c.lookAt.Load() != 0
}

// lookDue reports whether a request should be sent now to find out how the placement is.
func (pl *placement) lookDue(now time.Duration) bool {
	c := pl.conduct.Load()
	return c != nil && c.due(now)
}

// look makes l the lease of a request that finds out how the placement is, if one is due.
func (pl *placement) look(l *Lease) bool {
	if !pl.lookDue(l.began) || !pl.node.reserve() {
		return false
	}
	c := pl.conduct.Load()
	if !c.stopwatch.follow(l.began) {
		pl.node.surrender()
		return false
	}
	l.to(pl)
	l.followed, l.looks = true, true
	return true
}

// tally counts what became of a placement's attempts within the window, from the counters that are there anyway.
type tally struct {
	marks [tallyMarks]mark // the oldest is the one that will be replaced next
	next  int
}

// tallyMarks is how finely the window slides: in tenths, as the breaker's.
const tallyMarks = 10

// mark is the counters at one time.
type mark struct {
	at           time.Duration
	good, failed uint64
}

// counters are those of the placement now.
func (pl *placement) counters(now time.Duration) mark {
	return mark{at: now, good: pl.successes.Load(), failed: pl.failures.Load() + pl.faults.Load()}
}

// note takes the counters down if it is time to.
func (t *tally) note(m mark, window time.Duration) {
	newest := &t.marks[(t.next+tallyMarks-1)%tallyMarks]
	if m.at-newest.at < window/tallyMarks {
		return
	}
	t.marks[t.next] = m
	t.next = (t.next + 1) % tallyMarks
}

// restart forgets everything before m.
func (t *tally) restart(m mark) {
	for i := range t.marks {
		t.marks[i] = m
	}
}

// within is what has been counted since the oldest mark in the window.
func (t *tally) within(now mark, window time.Duration) (good, failed float64) {
	for i := range t.marks {
		m := &t.marks[(t.next+i)%tallyMarks]
		if now.at-m.at <= window+window/tallyMarks {
			return float64(now.good - m.good), float64(now.failed - m.failed)
		}
	}
	return 0, 0
}
