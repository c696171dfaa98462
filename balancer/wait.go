package balancer

import (
	"context"
	"errors"
	"time"
)

// Wait is Pick for an exchange that would rather wait for a node than be refused: while all that could take the attempt are
// at their limits, it waits in the pool's queue. Beside Pick's errors but ErrFull it returns a *QueueError when it may not
// wait, or not any longer, and ErrLeft once the waiter was told to leave. Until somebody has to wait it is Pick.
func (m *Model) Wait(a Ask, tried *Tried, w *Waiter) (l Lease, err error) {
	if tried == nil {
		tried = new(Tried)
	}
	q := &m.pool.queue
	if q.waiting.Load() == 0 {
		if err = m.take(&l, a, tried); !errors.Is(err, ErrFull) {
			return // by name: a lease is not copied
		}
	}
	w.ask, w.tried = a, *tried
	if w.over == nil {
		w.over = make(chan struct{}, 1)
	}
	if err = q.enlist(w, m); err != nil {
		return
	}
	w.await(q)
	*tried = w.tried
	l.grant, w.lease.grant = w.lease.grant, grant{} // the waiter does not keep it
	err = w.err
	return
}

// Hopeless reports whether Wait would have nothing for the waiter but an error, if it came now: no node is fit, or those who
// wait already leave it no chance. It takes nothing and counts nothing. It is for a request of which only the head is here.
func (m *Model) Hopeless(w *Waiter) bool {
	if s, _ := m.look(); len(s.groups) == 0 && len(s.trials) == 0 {
		return true
	}
	q := &m.pool.queue
	if q.waiting.Load() == 0 {
		return false
	}
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count > 0 && q.objection(w, w.rank(), now) != nil
}

// Refuse is for a waiter that was Hopeless: what Wait would have returned, whatever has changed since.
func (m *Model) Refuse(w *Waiter) error {
	if s, _ := m.look(); len(s.groups) == 0 && len(s.trials) == 0 {
		return ErrNoNode
	}
	q := &m.pool.queue
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	err := q.objection(w, w.rank(), now)
	if err == nil {
		err = q.refusal(w, TooLong, q.count, 0)
	}
	q.tally.refused[err.Reason].Add(1)
	return err
}

// await returns when the wait is over.
func (w *Waiter) await(q *queue) {
	defer func() { w.Waited += q.now() - w.since }()
	select {
	case <-w.over: // there was something after all
		return
	default:
	}
	left := w.until - w.since
	if w.timer == nil {
		w.timer = time.NewTimer(left)
	} else {
		w.timer.Reset(left)
	}
	select {
	case <-w.over:
		w.timer.Stop()
	case <-w.timer.C:
		q.expire(w)
		<-w.over
	}
}

// of makes it the pool's queue.
func (q *queue) of(p *Pool) {
	q.name, q.cfg, q.now, q.until, q.work = p.name, p.cfg.Queue, p.now, p.at, p.work
	q.stirred = make(chan struct{}, 1)
	q.pick = func(w *Waiter) error { return w.lane.model.take(&w.lease, w.ask, &w.tried) }
}

// lookEvery is how often those who wait are looked at while nothing happens that would have to do with them: rests of nodes
// end by time alone, and they last for 50 ms at least.
const lookEvery = 50 * time.Millisecond

// run looks at those who wait when there may be something for them although no lease has ended: a node came back or was
// added, a limit was raised, a rest is over. It returns when ctx ends.
func (q *queue) run(ctx context.Context) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.stirred:
		case <-timer.C:
		}
		if q.waiting.Load() == 0 {
			continue // stirred by the first who comes
		}
		now := q.now()
		q.mu.Lock()
		q.serve(nil, now)
		q.mu.Unlock()
		timer.Reset(lookEvery)
	}
}
