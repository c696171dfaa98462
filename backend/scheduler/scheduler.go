package scheduler

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Scheduler runs the requests to one model version on its instances.
type Scheduler struct {
	cfg      Config
	refusals refusals
	seed     maphash.Seed
	ones     [maxRagged][]byte // the element 1 of each mask
	epoch    time.Time         // what times count from
	batches  batches
	load     load

	mu              sync.Mutex
	queue           queue
	instances       []*instance
	idle            []*instance   // the last one used last
	idleSince       time.Duration // when an instance became idle while none was
	hurry           bool          // the queue is too full to hold anything back
	queuedDeadlines heap[*Request]
	takenDeadlines  heap[*Request] // of requests in batches
	crowds          [crowds]crowd
	longRun         time.Duration // how long runs take at most, of late
	forecast        Forecast
	batchID         uint64
	lone            uint64      // batches whose first request had nobody to wait for
	alarm           *time.Timer // nil until something has been due at some time
	alarmAt         time.Duration
	closed          bool
	settled         sync.Cond // closed, and something has come to its end
}

// load is what Stats reads.
type load struct {
	requests, rows, bytes, busy atomic.Int64
	fullRun                     atomic.Int64 // how long one takes, in ns
	began                       atomic.Int64 // when the last run did, in ns since the epoch
}

func (l *load) queued(q *queue) {
	l.requests.Store(int64(q.requests))
	l.rows.Store(int64(q.weight))
	l.bytes.Store(q.bytes)
}

// New makes a scheduler for a model version with one instance for each runner. It starts nothing and allocates little: the
// goroutines of Infer do all the work. The runners are used until Close has returned, and not closed by it.
func New(cfg Config, runners ...Runner) (*Scheduler, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(runners) == 0 {
		return nil, errors.New("no runner: a model needs at least one instance")
	}
	s := &Scheduler{
		cfg: cfg, refusals: newRefusals(cfg), seed: maphash.MakeSeed(), epoch: time.Now(),
		batches: newBatches(cfg.Memory, len(runners)), alarmAt: never,
	}
	s.settled.L = &s.mu
	s.queue.same, s.queue.levels = s.same, cfg.PriorityLevels
	for i := range cfg.Ragged {
		s.ones[i] = maskElement(cfg.Ragged[i].Mask.Datatype)
	}
	for _, runner := range runners {
		in := &instance{runner: runner, ctx: &runContext{}}
		in.ctx.stopper, _ = runner.(Stopper)
		s.instances = append(s.instances, in)
	}
	s.idle = append(s.idle, s.instances...)
	return s, nil
}

// Infer runs r, with others if they come together, and returns when its Outputs are there, or with the reason why not: one of
// the package's errors, an *oip.Error that blames the request, ctx's error, or the Runner's. r is the scheduler's until then.
//
// It returns as soon as ctx ends or the deadline passes, with one exception: the goroutine that runs a batch comes back when
// the run does. It is the one with the latest deadline, and the run is stopped when nobody waits for it any more, so what
// remains of the exception is a sender that has left while others wait.
//
// The caller calls r.Release when it has read the Outputs.
func (s *Scheduler) Infer(ctx context.Context, r *Request) error {
	r.Release()
	r.Timing = Timing{}
	outcome := Invalid
	err := s.admit(ctx, r)
	if err == nil {
		err = s.serve(r)
		outcome = outcomeOf(err)
	}
	s.cfg.Observer.Answered(Answer{outcome, r.rows, r.Timing})
	r.ctx = nil
	return err
}

// serve takes an admitted request to its answer.
func (s *Scheduler) serve(r *Request) error {
	if r.ctx.Err() != nil {
		return s.causeOf(r.ctx)
	}
	r.arrived = s.now()
	r.key = r.arrived + time.Duration(r.level)*s.cfg.PriorityStep
	r.until = s.deadlineOf(r.ctx, r)
	r.deadline = r.until
	if !r.QueueDeadline.IsZero() {
		r.deadline = min(r.until, r.QueueDeadline.Sub(s.epoch))
	}
	if r.deadline <= r.arrived {
		return s.refusals.timeout
	}
	b, err := s.enter(r)
	if err != nil {
		return err
	}
	for {
		if b == nil {
			if b = s.wait(r); b == nil {
				return r.err
			}
		}
		var again bool
		if b, again = s.lead(b, r); !again {
			return r.err
		}
	}
}

// enter takes r in. It returns the batch that r is to lead at once, or nil when it has to wait.
func (s *Scheduler) enter(r *Request) (*batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, s.refusals.closed
	}
	r.crowd = &s.crowds[r.hash%crowds]
	r.crowd.join()
	if len(s.idle) > 0 && s.queue.requests == 0 && s.nothingToWaitFor(r) {
		return s.shortcut(r), nil
	}
	if err := s.roomFor(r); err != nil {
		r.crowd.here--
		return nil, err
	}
	s.queue.push(r)
	if r.deadline != never {
		s.queuedDeadlines.push(r)
		s.arm(r.deadline, r.arrived)
	}
	return s.dispatch(r.arrived, r), nil
}

// nothingToWaitFor reports whether r, the only request there, should run at once.
func (s *Scheduler) nothingToWaitFor(r *Request) bool {
	return s.cfg.MaxQueueDelay == 0 || r.crowd.complete() || s.preferred(r.weight) > 0 || r.weight >= s.cfg.MaxBatchSize
}

// shortcut makes a batch of r alone without taking it through the queue, and begins it unless others are to be let in.
func (s *Scheduler) shortcut(r *Request) *batch {
	b := s.open(s.LargestRun())
	r.state, r.due, r.deadline = taken, -1, r.until
	b.add(r)
	b.leader = r
	if r.deadline != never {
		s.takenDeadlines.push(r)
		s.arm(r.deadline, r.arrived)
	}
	if b.gathers = s.shouldGather(b); !b.gathers {
		s.start(b, r.arrived)
	}
	return b
}

// roomFor reports why the queue cannot take r. When a lane is being held back, that ends first.
func (s *Scheduler) roomFor(r *Request) error {
	err := s.full(r)
	if err != nil && len(s.idle) > 0 {
		s.hurry = true
		s.dispatch(r.arrived, nil)
		s.hurry = false
		err = s.full(r)
	}
	return err
}

func (s *Scheduler) full(r *Request) error {
	switch {
	case s.queue.requests >= s.cfg.MaxQueueRequests:
		return s.refusals.queueRequests
	case r.bytes > s.cfg.MaxQueueBytes-s.queue.bytes:
		return s.refusals.queueBytes
	default:
		return nil
	}
}

// wait returns the batch that r is to lead, or nil when it has been answered.
func (s *Scheduler) wait(r *Request) *batch {
	var v verdict
	select {
	case v = <-r.wake:
	case <-r.ctx.Done():
		s.mu.Lock()
		s.quit(r, s.causeOf(r.ctx), s.now())
		s.settle()
		s.mu.Unlock()
		v = <-r.wake // at once, but for inputs that are being read
	}
	if v == shallLead {
		return r.batch
	}
	return nil
}
