package scheduler

import (
	"errors"
	"runtime"
	"slices"
	"time"
)

// lead runs the batch b, whose leader r is, and answers its requests. When again is true r has not been answered: it waits
// for its turn alone, or leads next, if that is not nil.
func (s *Scheduler) lead(b *batch, r *Request) (next *batch, again bool) {
	if !b.begun {
		if b.gathers {
			// Whoever could send the next request is most likely ready to run: it has been answered just now. To let it go
			// first costs 0.1 µs when nobody is, and made batches of 20 instead of 2 of a model that takes 2.5 µs.
			runtime.Gosched()
		}
		if !s.begin(b, r) {
			return nil, false
		}
	}
	inputs, err := s.assemble(b)
	assembled := b.began
	if len(b.items) > 1 {
		assembled = s.now()
		s.detach(b)
	}
	b.timing.Input = assembled - b.began
	if err == nil {
		if b.instance.ctx.enter() {
			err = b.instance.run(inputs, r.Want, &b.results)
		} else {
			err = errAbandoned
		}
	}
	ran := s.now()
	b.timing.Infer = ran - assembled
	return s.finish(b, r, err, ran)
}

// errAbandoned ends a run that nobody has been waiting for; so nobody sees it.
var errAbandoned = errors.New("nobody waits for this run")

// begin takes up leadership of a batch. Between the forming of the batch and now, requests have left it, or come in. If r is
// itself among those who left, another leads and begin returns false.
func (s *Scheduler) begin(b *batch, r *Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.expire(&s.takenDeadlines, now) // the alarm may be about to ring
	b.drop(func(left *Request) {
		left.Timing.Queue = now - left.arrived
		s.answer(left, left.leaving)
		if left != r {
			left.tell(isAnswered)
		}
	})
	switch {
	case len(b.items) == 0:
		s.vacate(b, now)
		b.pool.put(b)
		s.dispatch(now, nil)
		s.settle()
		return false
	case r.leaving != nil:
		b.elect(nil).tell(shallLead)
		return false
	}
	if l := s.queue.find(r); l != nil {
		s.fill(b, l, s.latestFor(r, now))
		s.load.queued(&s.queue)
	}
	if b.gathers {
		r.crowd.doubt()
	}
	s.start(b, now)
	return true
}

// latestFor is the latest deadline that a request may have to join the batch of r now, when it is too late to choose another
// leader (see elect). If r's own is far away, as measured by the runs there have been, any.
func (s *Scheduler) latestFor(r *Request, now time.Duration) time.Duration {
	if r.deadline-now > 4*s.longRun {
		return never
	}
	return r.deadline
}

// start makes a batch begun. A lone request is running from here on: it waits for nothing but the run itself. Several are,
// when the leader has copied their inputs.
func (s *Scheduler) start(b *batch, now time.Duration) {
	b.began, b.begun, b.waiting = now, true, len(b.items)
	s.foresee(b, now)
	s.load.began.Store(int64(now))
	b.timing.Requests, b.timing.Rows = len(b.items), b.rows
	for i := range b.items {
		r := b.items[i].request
		r.Timing.Queue = now - r.arrived
		if len(b.items) == 1 {
			r.state = running
		}
	}
	if b.leader.ctx.Done() != nil {
		s.arm(now+watchAfter, now)
	}
}

// detach lets go of the inputs of a batch's requests: from here on they leave when they want to.
func (s *Scheduler) detach(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.items {
		r := b.items[i].request
		r.state = running
		if r.leaving != nil {
			s.quit(r, r.leaving, r.arrived)
		}
	}
}

// finish ends a run: its instance goes on to the next batch, then its requests are answered. If it failed by what may be the
// fault of one of them, they go back to the front of the queue instead, to run alone.
func (s *Scheduler) finish(b *batch, r *Request, err error, now time.Duration) (next *batch, again bool) {
	divide := err != nil && len(b.items) > 1 && splittable(err)
	s.mu.Lock()
	for i := range slices.Backward(b.items) {
		q := b.items[i].request
		switch {
		case q == nil:
		case q.state == answered: // r has left, see quit
			b.items[i].request = nil
		case divide:
			again = again || q == r
			s.requeue(q)
		default:
			s.answer(q, nil)
		}
	}
	unwatch := b.unwatch
	b.unwatch = nil
	s.learn(b, err, now)
	s.longRun = max(b.timing.Infer, s.longRun-s.longRun/64) // the longest of late: halved in 44 shorter runs
	s.vacate(b, now)
	if again {
		next = s.dispatch(now, r)
	} else {
		s.dispatch(now, nil)
	}
	s.settle()
	s.mu.Unlock()

	if unwatch != nil {
		unwatch()
	}
	if divide {
		s.observe(b, err)
		b.pool.put(b)
		return next, again
	}
	s.distribute(b, r, err, now)
	return nil, false
}

// requeue puts a request of a failed batch back, to run alone. It has been accepted: no bound of the queue applies.
func (s *Scheduler) requeue(r *Request) {
	s.forgetDeadline(r)
	r.alone, r.batch = true, nil
	s.queue.pushFront(r)
	if r.deadline != never {
		s.queuedDeadlines.push(r)
	}
}

// distribute answers the requests that still wait for a batch. Its instance may be running the next one meanwhile.
func (s *Scheduler) distribute(b *batch, r *Request, err error, ran time.Duration) {
	if err == nil {
		err = s.split(b, r.Want)
	}
	if len(b.items) > 1 {
		b.timing.Output = s.now() - ran
	}
	s.observe(b, err)
	holders := int32(1) // this function
	for i := range b.items {
		q := b.items[i].request
		if q == nil {
			continue
		}
		queue := q.Timing.Queue
		q.Timing = b.timing
		q.Timing.Queue = queue
		if q.err = err; err != nil {
			q.Outputs = q.Outputs[:0]
		} else {
			q.held = b
			holders++
		}
	}
	b.holders.Store(holders)
	for i := range b.items {
		if q := b.items[i].request; q != nil && q != r {
			q.tell(isAnswered)
		}
	}
	b.release()
}

// observe tells the observer of a run, if it was one.
func (s *Scheduler) observe(b *batch, err error) {
	if t := &b.timing; !errors.Is(err, errAbandoned) {
		s.cfg.Observer.Ran(Run{t.Requests, t.Rows, t.Input, t.Infer, t.Output, err})
	}
}
