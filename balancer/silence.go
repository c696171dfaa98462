package balancer

import (
	"math"
	"time"
)

const (
	// silentLeast is the least time without an answer that says something: below, the network or we ourselves may have paused.
	silentLeast = 250 * time.Millisecond
	// silentTimes is how many times as long as it ever is on the others the silence must be. With times that vary by orders of
	// magnitude, three times as long as the longest of hundreds occurs several times a minute, ten times never.
	silentTimes = 10
)

// listen takes down for how long the placement has had work and not answered, and reports whether an answer ends an ejection.
func (o *outliers) listen(pl *placement, c *conduct, answered uint64, now time.Duration) (returned bool) {
	switch {
	case answered != c.answered:
		c.answered, c.silent = answered, 0
		if c.hushed {
			pl.release(c, now)
			return true
		}
	case pl.inflight.Load() == 0:
		c.silent = 0
	case c.silent == 0 && time.Duration(c.stopwatch.sent.Load()) > o.last:
		// What it has to do is new.
	default:
		// However long ago the last judgement was: if it was late, we may not have read the answers either.
		c.silent += min(now-o.last, 2*o.pause)
	}
	return false
}

// silence finds a placement that has work and does not answer, while others do.
//
// How long others are silent while they have work is known: their gaps. They are short where much is in flight, be it that a node
// works on many requests at once or that many wait, and then a request may take long everywhere without any node being silent for
// long. With n requests in flight, an answer is due when one is on the others with as many: after the gap if they wait for one
// another, after an n-th of the time of a request if they do not. Which of the two holds nobody knows, so the longer one counts.
func (o *outliers) silence(pl *placement, c *conduct, now time.Duration) (charge, bool) {
	if o.cfg.LatencyFactor == 0 || c.silent < silentLeast {
		return charge{}, false
	}
	inflight := max(1, pl.inflight.Load())
	share := logTime(math.Log2(float64(inflight)) * logUnit)
	o.refer(pl, tickOf(now-max(o.cfg.Window, c.silent)))
	began, meanwhile, slowest, due := tickOf(now-c.silent), 0, logTime(0), logTime(0)
	for i := range o.refs {
		r := &o.refs[i]
		slowest = max(slowest, r.latency)
		due = max(due, r.gap, lessened(r.latency, share))
		meanwhile += oneIf(r.since(began))
	}
	if meanwhile < referencesLeast || c.silent < silentTimes*due.duration() {
		return charge{}, false
	}
	// Nothing is more certain, so that it comes first where not all may be ejected.
	return charge{place: pl, surprise: 100 * certain, why: Ejection{
		Reason: Silent, Requests: int(inflight), Latency: c.silent, Others: slowest.duration(),
	}}, true
}

// Silent reports whether the model is ejected from the node because it answers nothing there, and for how long a request may wait: by
// then, any answer that comes at all should be there, since none took longer on the others of late. So much is enough where the
// sentence has been passed.
func (m *Model) Silent(n *Node) (patience time.Duration, yes bool) {
	m.pool.control.Lock()
	defer m.pool.control.Unlock()
	pl := m.places[n]
	if pl == nil || !pl.ejected.Load() {
		return 0, false
	}
	c := pl.conduct.Load()
	if c.verdict.Reason != Silent {
		return 0, false
	}
	o := &m.outliers
	o.refer(pl, tickOf(m.pool.now()-o.cfg.Window))
	slowest := logTime(0)
	for i := range o.refs {
		slowest = max(slowest, o.refs[i].latency)
	}
	if len(o.refs) == 0 {
		return max(silentLeast, c.verdict.Others), true
	}
	return max(silentLeast, slowest.duration()), true
}
