package scheduler

import "context"

// Close refuses new requests, lets those that are queued and running finish, and returns when the runners are not used any
// more. When ctx ends first, the queued are answered with ErrClosed, the runs are stopped, and Close returns ctx's error when
// they have come to their end. Results that have not been released stay valid. Close may be called more than once.
func (s *Scheduler) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.dispatch(s.now(), nil) // what was held back for others that are not coming now
	var gaveUp error
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		gaveUp = ctx.Err()
		s.abort()
	})
	for !s.done() {
		s.settled.Wait()
	}
	stop()
	s.silence()
	for _, in := range s.instances {
		in.free(s.cfg.Memory)
	}
	s.batches.close()
	return gaveUp
}

// done reports whether nothing is queued and no instance in use.
func (s *Scheduler) done() bool { return s.queue.requests == 0 && len(s.idle) == len(s.instances) }

// settle tells Close to look whether it is done.
func (s *Scheduler) settle() {
	if s.closed {
		s.settled.Broadcast()
	}
}

// abort answers everything that waits, whether in the queue or for a run.
func (s *Scheduler) abort() {
	now := s.now()
	for !s.queue.order.empty() {
		s.quit(s.queue.order.first().first(), s.refusals.closed, now)
	}
	s.load.queued(&s.queue)
	for _, in := range s.instances {
		if b := in.batch; b != nil {
			for i := range b.items {
				if r := b.items[i].request; r != nil {
					s.quit(r, s.refusals.closed, now)
				}
			}
		}
	}
	s.settle()
}

// silence stops the alarm, and waits for it if it is ringing.
func (s *Scheduler) silence() {
	for s.alarmAt != never && !s.alarm.Stop() {
		s.settled.Wait()
	}
	s.alarmAt = never
}
