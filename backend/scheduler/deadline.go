package scheduler

import (
	"context"
	"errors"
	"math"
	"time"
)

// never is later than all times.
const never = time.Duration(math.MaxInt64)

// watchAfter is how long a run lasts before the scheduler looks for whether its leader's sender is still there. The leader is
// inside Runner.Run and cannot look itself; to have its context watched costs allocations and more time than a short run
// takes. Stopping a run that is shorter than this would save nobody anything.
const watchAfter = time.Millisecond

// now is the time since the scheduler was made. Inside, times are durations: half as dear to take as a time.Time.
func (s *Scheduler) now() time.Duration { return time.Since(s.epoch) }

// deadlineOf is the earlier one of the request's deadline and its context's.
func (s *Scheduler) deadlineOf(ctx context.Context, r *Request) time.Duration {
	deadline := r.Deadline
	if d, ok := ctx.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
		deadline = d
	}
	if deadline.IsZero() {
		return never
	}
	return deadline.Sub(s.epoch)
}

// arm makes the alarm ring at the given time, or before. There is one alarm for everything that the scheduler has to do at
// some time: deadlines, ends of delays, runs to be watched. It is set only when something is due before all else, which with
// deadlines that come in the order of their requests is once for many of them; ringing for nothing does no harm.
func (s *Scheduler) arm(at, now time.Duration) {
	if at >= s.alarmAt {
		return
	}
	s.alarmAt = at
	if s.alarm == nil {
		s.alarm = time.AfterFunc(at-now, s.ring)
	} else {
		s.alarm.Reset(at - now)
	}
}

// ring does what is due.
func (s *Scheduler) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.alarmAt == never || now < s.alarmAt {
		return // set again, or stopped, at the moment it rang
	}
	s.alarmAt = never
	s.expire(&s.takenDeadlines, now)
	s.dispatch(now, nil) // and what is queued
	s.watch(now)
	s.settle()
}

// expire answers the requests whose deadline is over.
func (s *Scheduler) expire(deadlines *heap[*Request], now time.Duration) {
	for !deadlines.empty() {
		r := deadlines.first()
		if r.deadline > now {
			s.arm(r.deadline, now)
			return
		}
		s.quit(r, s.refusals.timeout, now)
	}
}

// quit takes a request out of wherever it is, with err as its answer. One whose inputs may be being read by its batch's
// leader stays until they are not; one that has been answered keeps its answer.
func (s *Scheduler) quit(r *Request, err error, now time.Duration) {
	switch r.state {
	case waiting:
		s.queue.remove(r)
		s.load.queued(&s.queue)
		r.Timing.Queue = now - r.arrived
		s.answer(r, err)
		r.tell(isAnswered)
	case taken:
		s.forgetDeadline(r)
		if r.leaving == nil {
			r.leaving = err
		}
	case running:
		b := r.batch
		s.answer(r, err)
		if r != b.leader { // who is running the batch, and sees to itself when that has ended
			b.items[r.place].request = nil
			r.tell(isAnswered)
		}
		if b.waiting--; b.waiting == 0 {
			b.instance.ctx.stop()
		}
	}
}

// answer ends a request's stay. Its Infer returns err when it has been told, or has told itself.
func (s *Scheduler) answer(r *Request, err error) {
	s.forgetDeadline(r)
	r.crowd.here--
	r.err, r.state = err, answered
}

// forgetDeadline ends the watch on a request's deadline.
func (s *Scheduler) forgetDeadline(r *Request) {
	switch {
	case r.due < 0:
	case r.state == waiting:
		s.queuedDeadlines.remove(r)
	default:
		s.takenDeadlines.remove(r)
	}
}

// watch looks after the leaders of runs that have been going for a while: when their context ends, they quit like others.
func (s *Scheduler) watch(now time.Duration) {
	for _, in := range s.instances {
		b := in.batch
		if b == nil || !b.begun || b.unwatch != nil || b.leader.state == answered || b.leader.ctx.Done() == nil {
			continue
		}
		due := b.began + watchAfter
		if b.leader.state != running {
			due = max(due, now+watchAfter) // large inputs are being put together
		}
		if now < due {
			s.arm(due, now)
			continue
		}
		leader, id := b.leader, b.id
		b.unwatch = context.AfterFunc(leader.ctx, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if in.batch == b && b.id == id && leader.state == running {
				s.quit(leader, s.causeOf(leader.ctx), s.now())
			}
		})
	}
}

// causeOf is what a request is answered with whose context has ended.
func (s *Scheduler) causeOf(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return s.refusals.timeout
	}
	return err
}
