package balancer

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// queue is where the exchanges of a pool wait while every node that could take their attempt is at its limit. Its rules:
//
//   - Whoever comes waits behind those who wait (Pick refuses while anybody does), unless nobody before it can use what is
//     free: another model, or other nodes.
//   - The better priority goes first, within a priority a retry before first attempts, and otherwise who came first. But
//     every eighth place goes to who has waited longest, so that nobody starves: see fairTurn.
//   - A place is handed over: whoever frees one gives it to the first waiter who can use it, before anybody else can take
//     it. A waiter that leaves at that moment has it all the same, and gives it back by Done like everybody.
//   - Who cannot be served in time is not let in. A waiter whose time is up is out at once, wherever it stands.
//
// While nobody waits the queue costs a pick one atomic load, and the end of a lease another.
//
// No wake-up is lost: a waiter is counted in waiting before it looks for a place for the last time, and who frees a place
// does so before it looks at waiting. One of the two sees the other.
type queue struct {
	name  string // of the pool
	cfg   QueueConfig
	now   func() time.Duration
	until func(time.Time) time.Duration // by the same clock
	pick  func(w *Waiter) error         // leases a node for the waiter without waiting: nil, ErrFull, or why not at all
	work  func() (int64, float64)       // leases that are out, and how many end in a second; a rate of 0 is not known

	waiting atomic.Int64  // count, to be read without the lock
	stirred chan struct{} // holds one token: what nodes may get has changed, by something else than the end of a lease

	mu     sync.Mutex
	count  int
	lanes  []*lane // none of them empty, in no order
	spare  []*lane
	seq    uint64 // of the waiter that came last
	pass   uint64 // times that served
	grants uint64
	pace   releases

	busy    int64         // leases that are out ...
	counted time.Duration // ... when they were last counted

	tally queueTally
}

// fairTurn is how often a place goes to who has waited longest, whatever its priority: one in eight costs those of better
// priority an eighth of the pool at most, and bounds the wait of the last by eight times that of a queue without priorities.
const fairTurn = 8

// The priorities of exchanges.
const (
	// FirstPriority goes before all others, LastPriority behind them.
	FirstPriority = 1
	LastPriority  = 9
	// DefaultPriority is that of exchanges which name none.
	DefaultPriority = 5
)

// ErrLeft means that the waiter was told to leave.
var ErrLeft = errors.New("nobody waits for the attempt any more")

// Waiter is the place of one exchange in the queue of a pool. The zero value is ready. It belongs to its exchange, which may
// use it for one attempt after the other; only Leave may be called from elsewhere.
type Waiter struct {
	// Priority is 1, which goes first, to 9. 0 = 5.
	Priority uint8
	// Deadline is when the exchange's time is up. The zero time = it has all the time that the queue gives.
	Deadline time.Time
	// Waited is how long it has waited, all times together.
	Waited time.Duration

	ask   Ask
	tried Tried // a copy: nobody's own should have to live on the heap for the few that wait
	lease Lease // what it was granted

	left  atomic.Bool
	queue atomic.Pointer[queue] // that it is or was in

	// Under queue.mu while it waits.
	lane         *lane // nil = it does not wait
	before, next *Waiter
	seq          uint64
	since, until time.Duration
	err          error
	refusal      QueueError // err, if it was refused

	over  chan struct{} // gets one token when the wait is over
	timer *time.Timer
}

// Leave makes the wait that is under way end with ErrLeft, and all that would follow until Reset. Any goroutine may call it.
// A waiter that is granted a lease at the same moment keeps it.
func (w *Waiter) Leave() {
	w.left.Store(true)
	if q := w.queue.Load(); q != nil {
		q.withdraw(w, ErrLeft)
	}
}

// Reset readies the waiter for another exchange.
func (w *Waiter) Reset() {
	*w = Waiter{over: w.over, timer: w.timer}
}

// rank is the order in which waiters go, smallest first.
func (w *Waiter) rank() uint8 {
	p := w.Priority
	if p == 0 {
		p = DefaultPriority
	}
	rank := 2 * min(p, LastPriority)
	if w.tried.Len() == 0 {
		rank++ // a retry goes first: work was done for it already
	}
	return rank
}

// enlist puts the waiter into the queue, or says why not. The wait is over when w.over has a token, which may be at once.
func (q *queue) enlist(w *Waiter, m *Model) error {
	w.queue.Store(q)
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.left.Load() {
		return ErrLeft
	}
	if q.count == 0 {
		q.pace.begin(now, q.work)
	}
	rank := w.rank()
	if err := q.admit(w, rank, now); err != nil {
		q.tally.refused[err.Reason].Add(1)
		return err
	}
	q.seq++
	w.seq, w.since, w.err = q.seq, now, nil
	q.lane(m, rank, w.tried.Len() > 0 || w.ask.Stick).push(w)
	q.count++
	q.waiting.Store(int64(q.count))
	q.tally.waited.Add(1)
	if q.count == 1 {
		q.stir()
	}
	q.serve(nil, now)
	return nil
}

// admit decides whether the waiter may wait, and until when.
func (q *queue) admit(w *Waiter, rank uint8, now time.Duration) *QueueError {
	if err := q.objection(w, rank, now); err != nil {
		return err
	}
	if q.count >= q.cfg.Max {
		q.refuse(q.worst(rank), Displaced, now)
	}
	return nil
}

// objection is why the waiter may not wait, nil if it may, perhaps in the place of another.
func (q *queue) objection(w *Waiter, rank uint8, now time.Duration) *QueueError {
	ahead := q.ahead(rank)
	expected := q.pace.expect(ahead, now)
	allowed := q.allowed(w, now)
	w.until = now + allowed
	switch {
	case q.cfg.Max == 0:
		return q.refusal(w, NoQueue, ahead, expected)
	case allowed <= 0, expected > q.bound(allowed, now):
		return q.refusal(w, TooLong, ahead, expected)
	case q.count >= q.cfg.Max && q.worst(rank) == nil:
		return q.refusal(w, QueueFull, ahead, expected)
	}
	return nil
}

// ahead counts those who go before one that comes now.
func (q *queue) ahead(rank uint8) int {
	n := 0
	for _, l := range q.lanes {
		if l.rank <= rank {
			n += l.count
		}
	}
	return n
}

// worst is who goes when a full queue has to make room for a better priority: who came last of the worst. nil = there is no
// worse one.
func (q *queue) worst(rank uint8) *Waiter {
	var worst *Waiter
	for _, l := range q.lanes {
		if l.rank/2 <= rank/2 {
			continue // of the same priority: who was there first stays
		}
		if worst == nil || l.rank > worst.lane.rank || l.rank == worst.lane.rank && l.last.seq > worst.seq {
			worst = l.last
		}
	}
	return worst
}

// freed hands a place that was freed on the node to who can use it.
func (q *queue) freed(n *Node) {
	if q.waiting.Load() == 0 {
		return
	}
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pace.freed(now)
	q.serve(n, now)
}

// stir has Run look at all who wait, since what nodes may get has changed. It takes no lock: it is called from wherever such
// a change is made.
func (q *queue) stir() {
	select {
	case q.stirred <- struct{}{}:
	default:
	}
}

// serve gives the waiters what there is. Those who can only use certain nodes are asked if n is among them; nil = any may be
// free. The caller holds q.mu.
func (q *queue) serve(n *Node, now time.Duration) {
	q.pass++
	for {
		w := q.first(n)
		if w == nil {
			return
		}
		if w.until <= now {
			q.refuse(w, TimedOut, now) // its timer is late
			continue
		}
		switch err := q.pick(w); {
		case err == nil:
			q.grants++
			q.end(w, nil)
		case errors.Is(err, ErrFull):
			w.lane.passOver(w)
		default:
			q.end(w, err)
		}
	}
}

// first is the waiter whose turn it is, of those who were not tried in this pass.
func (q *queue) first(n *Node) *Waiter {
	fair := q.grants%fairTurn == fairTurn-1
	var first *Waiter
	for _, l := range q.lanes {
		w := l.candidate(n, q.pass)
		if w == nil {
			continue
		}
		if first == nil || !fair && l.rank < first.lane.rank || (fair || l.rank == first.lane.rank) && w.seq < first.seq {
			first = w
		}
	}
	return first
}

// withdraw ends a wait from the waiter's side, if it is not over yet.
func (q *queue) withdraw(w *Waiter, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.lane == nil {
		return
	}
	q.tally.left.Add(1)
	q.end(w, err)
}

// expire ends the wait of one whose time is up, if it is not over yet.
func (q *queue) expire(w *Waiter) {
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.lane != nil {
		q.refuse(w, TimedOut, now)
	}
}

// refuse ends the wait of one who will not be served. The caller holds q.mu.
func (q *queue) refuse(w *Waiter, why QueueReason, now time.Duration) {
	q.tally.refused[why].Add(1)
	ahead := q.ahead(w.lane.rank)
	err := q.refusal(w, why, ahead, q.pace.expect(ahead, now))
	err.Waited = now - w.since
	q.end(w, err)
}

// end takes the waiter out and tells it. The caller holds q.mu.
func (q *queue) end(w *Waiter, err error) {
	l := w.lane
	l.remove(w)
	if l.first == nil {
		q.drop(l)
	}
	q.count--
	q.waiting.Store(int64(q.count))
	w.err, w.lane = err, nil
	w.over <- struct{}{} // has room: one token for each time in the queue
}

// lane is where such waiters wait.
func (q *queue) lane(m *Model, rank uint8, picky bool) *lane {
	for _, l := range q.lanes {
		if l.model == m && l.rank == rank && l.picky == picky {
			return l
		}
	}
	l := new(lane)
	if n := len(q.spare); n > 0 {
		l, q.spare = q.spare[n-1], q.spare[:n-1]
	}
	*l = lane{model: m, rank: rank, picky: picky}
	q.lanes = append(q.lanes, l)
	return l
}

// drop forgets an empty lane.
func (q *queue) drop(l *lane) {
	last := len(q.lanes) - 1
	for i := range q.lanes {
		if q.lanes[i] == l {
			q.lanes[i] = q.lanes[last]
			break
		}
	}
	q.lanes[last] = nil
	q.lanes = q.lanes[:last]
	*l = lane{} // a model that nobody asks for any more is not kept by it
	if len(q.spare) < keepLanes {
		q.spare = append(q.spare, l)
	}
}

// keepLanes bounds the lanes that are kept for later: a few models, a few priorities.
const keepLanes = 32
