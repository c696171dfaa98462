package balancer

import "time"

// QueueStatus is the queue at one moment.
type QueueStatus struct {
	Waiting int64
	Max     int
	Timeout time.Duration
	// ByPriority is how many wait of each priority; that of index 0 is none.
	ByPriority [LastPriority + 1]int
	// Longest is for how long the one has waited that has waited longest.
	Longest time.Duration
	// Waited is how many were let in since the pool was made, Left how many of them left by themselves.
	Waited, Left uint64
	// Refused is how many were refused, by reason.
	Refused [queueReasons]uint64
	// Expected is for how long one of default priority that came now would wait; 0 = not at all, or nobody can tell.
	Expected time.Duration
}

// Queue is the state of the pool's queue.
func (p *Pool) Queue() QueueStatus {
	q := &p.queue
	s := QueueStatus{
		Waiting: q.waiting.Load(), Max: q.cfg.Max, Timeout: q.cfg.Timeout,
		Waited: q.tally.waited.Load(), Left: q.tally.left.Load(),
	}
	for i := range s.Refused {
		s.Refused[i] = q.tally.refused[i].Load()
	}
	if s.Waiting == 0 {
		return s
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	s.Expected = q.pace.expect(q.ahead(2*DefaultPriority+1), now)
	for _, l := range q.lanes {
		s.ByPriority[l.rank/2] += l.count
		s.Longest = max(s.Longest, now-l.first.since)
	}
	return s
}
