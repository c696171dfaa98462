package scheduler

import "time"

// crowd is the requests of one signature (or of several whose hashes meet: it is only a guess) that are in the scheduler, and
// how many of them there have been of late. It answers whether holding an instance back could bring anything: clients that
// send one request after the other, a lone one above all, must not wait for others that do not exist.
type crowd struct {
	here int
	peak int
}

// crowds is how many of them are told apart.
const crowds = 64

// join counts a request in.
func (c *crowd) join() {
	c.here++
	c.peak = max(c.peak, c.here)
}

// settleFor takes those who are here for all there are: they have been waited for.
func (c *crowd) settleFor() { c.peak = c.here }

// doubt forgets half of those who are not here: they have been given a moment, which is cheap enough to give again.
func (c *crowd) doubt() { c.peak = c.here + (c.peak-c.here)/2 }

// complete reports whether everybody is here who has been seen lately, so that nothing else is coming.
func (c *crowd) complete() bool { return c.here >= c.peak }

// dispatch gives idle instances to lanes until there is none of either. It wakes the leaders of the batches it forms, except
// when self, the request whose goroutine this is, can lead one: that batch is returned.
func (s *Scheduler) dispatch(now time.Duration, self *Request) (own *batch) {
	s.expire(&s.queuedDeadlines, now) // the alarm may be about to ring
	for len(s.idle) > 0 {
		l := s.ripest(now)
		if l == nil {
			break
		}
		b := s.form(l, now)
		if b.elect(self) == self {
			own = b
		} else {
			b.leader.tell(shallLead)
		}
	}
	s.load.queued(&s.queue)
	return own
}

// ripest returns the lane to be served now: of those that should not wait for more, the one whose first request goes first.
// When all should, it arms the alarm for the first that should not any more.
func (s *Scheduler) ripest(now time.Duration) (ripest *lane) {
	lanes := s.queue.order.items
	if len(lanes) == 0 {
		return nil
	}
	if s.cfg.MaxQueueDelay == 0 {
		return lanes[0]
	}
	next := never
	for _, l := range lanes {
		if ripest != nil && ripest.before(l) {
			continue
		}
		if end := s.heldUntil(l); end <= now || s.ripe(l, end) {
			ripest = l
		} else {
			next = min(next, end)
		}
	}
	if ripest == nil {
		s.arm(next, now)
	}
	return ripest
}

// heldUntil is when the delay of a lane is over. It counts from when its batch could first have run: from the arrival of its
// oldest request, or from when an instance became free if that was later.
//
// To count the time in which every instance was busy would let clients fall apart into two groups that never meet again,
// each waiting out the other's run: whoever comes late once finds, when the instance is free, its delay used up.
func (s *Scheduler) heldUntil(l *lane) time.Duration {
	return max(l.oldest(), s.idleSince) + s.cfg.MaxQueueDelay
}

// ripe reports whether a lane should run although its delay is not over before end.
func (s *Scheduler) ripe(l *lane, end time.Duration) bool {
	first := l.first()
	switch {
	case s.hurry, s.closed:
		return true // there is no room for more, or none will come
	case first.alone, l.weight >= s.cfg.MaxBatchSize, s.preferred(l.weight) > 0:
		return true
	case first.crowd.complete():
		return true
	default:
		// A deadline that does not outlast the delay. Looking at the first of all is enough: another lane's, if it is in the
		// way here, ends that lane's own delay or rings the alarm before any of this lane's is due.
		return !s.queuedDeadlines.empty() && s.queuedDeadlines.first().lane == l && s.queuedDeadlines.first().deadline <= end
	}
}

// preferred returns the largest preferred size within rows, 0 when there is none.
func (s *Scheduler) preferred(rows int) (size int) {
	for _, p := range s.cfg.PreferredSizes {
		if p <= rows {
			size = p
		}
	}
	return size
}

// form takes a batch out of a lane and gives it an idle instance, the one used last: its memory is most likely in a cache.
func (s *Scheduler) form(l *lane, now time.Duration) *batch {
	limit := s.LargestRun()
	if s.cfg.MaxQueueDelay > 0 {
		if s.heldUntil(l) <= now {
			l.first().crowd.settleFor()
		} else if size := s.preferred(l.weight); size > 0 {
			limit = size
		}
	}
	b := s.open(limit)
	s.fill(b, l, never)
	s.foresee(b, now)
	b.gathers = s.shouldGather(b)
	return b
}

// gatherBelow is how long runs may take for it to pay to let others in before one. It pays most where a run costs no more
// than a request; a longer run fills the next batch by itself, and an instance worth more than a moment should not wait for
// one when the processors are busy.
const gatherBelow = time.Millisecond

// lookEvery is how many lone requests run at once for each that makes sure that nobody else is ready. Where requests come over
// one connection and there are few processors, each may be answered before the next is looked at, so that they never meet: to
// look costs 0.1 µs, and a run that others share is worth many of them.
const lookEvery = 32

// shouldGather reports whether the leader of a batch should let others go first who are about to send requests, so that
// there are fewer and larger runs. This is no delay: it lasts for as long as goroutines that are ready have work to do.
func (s *Scheduler) shouldGather(b *batch) bool {
	if s.cfg.MaxQueueDelay > 0 || b.weight >= b.limit || s.longRun >= gatherBelow {
		return false
	}
	if b.items[0].request.crowd.complete() {
		s.lone++
		return s.lone%lookEvery == 0
	}
	return true
}

// open takes an idle instance for a new batch.
func (s *Scheduler) open(limit int) *batch {
	last := len(s.idle) - 1
	in := s.idle[last]
	s.idle = s.idle[:last]
	s.load.busy.Add(1)
	b := s.batches.take()
	s.batchID++
	b.id, b.instance, b.limit = s.batchID, in, limit
	in.batch = b
	in.ctx = in.ctx.renewed()
	return b
}

// fill moves requests from a lane to a batch, as many as fit, in their order and with deadlines up to latest.
func (s *Scheduler) fill(b *batch, l *lane, latest time.Duration) {
	for r := l.first(); r != nil && r.until <= latest && b.accepts(r); r = l.first() {
		if r.due >= 0 {
			s.queuedDeadlines.remove(r)
		}
		s.queue.remove(r)
		r.state, r.deadline = taken, r.until
		b.add(r)
		if r.deadline != never {
			s.takenDeadlines.push(r)
		}
	}
}

// vacate makes the instance of a batch that has ended idle.
func (s *Scheduler) vacate(b *batch, now time.Duration) {
	if len(s.idle) == 0 {
		s.idleSince = now
	}
	s.idle = append(s.idle, b.instance)
	b.instance.batch = nil
	s.load.busy.Add(-1)
}
