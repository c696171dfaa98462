package scheduler

import (
	"context"
	"errors"
	"time"
)

// Observer is told of every run and every answer. It is called by the goroutines of the requests, many at a time, outside of
// all locks; it should return at once.
type Observer interface {
	Ran(Run)
	Answered(Answer)
}

// Run is one call of Runner.Run.
type Run struct {
	Requests int
	Rows     int
	Input    time.Duration // assembling the inputs
	Infer    time.Duration
	Output   time.Duration // splitting the outputs
	Err      error         // why it failed; nil when it has not
}

// Answer is the end of one Infer.
type Answer struct {
	Outcome Outcome
	Rows    int    // of the request; 0 when it was refused before they were known
	Timing  Timing // of what the request got to
}

// Outcome says how a request ended.
type Outcome uint8

// The outcomes.
const (
	Succeeded Outcome = iota
	Failed            // the run did
	Invalid           // refused for what it is
	QueueFull         // refused: the queue has as many requests, or bytes, as it may have
	Expired           // its deadline passed
	Cancelled         // its context ended
	Closed            // refused or given up: the scheduler closes
	outcomes          // how many there are
)

var outcomeNames = [outcomes]string{
	Succeeded: "succeeded", Failed: "failed", Invalid: "invalid", QueueFull: "queue_full", Expired: "expired",
	Cancelled: "cancelled", Closed: "closed",
}

// String returns the outcome as a metric's label.
func (o Outcome) String() string {
	if o < outcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// outcomeOf tells from the error of a request that got as far as the queue how it ended.
func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Succeeded
	case errors.Is(err, ErrQueueFull):
		return QueueFull
	case errors.Is(err, ErrTimeout):
		return Expired
	case errors.Is(err, ErrClosed):
		return Closed
	case errors.Is(err, context.Canceled):
		return Cancelled
	default:
		return Failed
	}
}

// Stats is a scheduler's load at one moment.
type Stats struct {
	QueuedRequests int64 // waiting, not running
	QueuedBytes    int64 // of their input data
	Busy           int64 // instances that run, or are about to
	Instances      int64 // that there are
	// Wait is how long a request that comes now should wait until it is run: until the first instance has done its run, and for the
	// runs that those in the queue before it fill.
	Wait time.Duration
}

// Stats returns the load. It takes no lock: the numbers may be of slightly different moments.
func (s *Scheduler) Stats() Stats {
	return Stats{
		QueuedRequests: s.load.requests.Load(), QueuedBytes: s.load.bytes.Load(),
		Busy: s.load.busy.Load(), Instances: int64(len(s.instances)), Wait: s.expectedWait(),
	}
}

// Worked is how long ago the last run began; 0 when no instance is busy.
func (s *Scheduler) Worked() time.Duration {
	if s.load.busy.Load() == 0 {
		return 0
	}
	return max(s.now()-time.Duration(s.load.began.Load()), 0)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Ran(Run)         {}
func (nobody) Answered(Answer) {}
