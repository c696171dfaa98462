package scheduler

import (
	"context"
	"time"

	"ganglion/internal/oip"
)

// Request is one inference on its way through a scheduler. The zero value is ready; using one again and again, for one
// Infer at a time, saves its memory. It must not be copied once it has been used.
type Request struct {
	// Inputs are the model's inputs. Requests batch together when they list the same inputs in the same order, so put them
	// into the model's. They are only read, and never after Infer has returned.
	Inputs []oip.Tensor

	// Want names the outputs asked for; none means all.
	Want []string

	// Priority is the request's level, 1 the highest; 0 is the configured default.
	Priority int

	// Deadline is when the answer is of no use any more; the zero time is never. A deadline of Infer's context counts too.
	Deadline time.Time

	// QueueDeadline is when the request may not wait any more for its run to begin; the zero time is never. A run that has
	// begun by then goes on.
	QueueDeadline time.Time

	// Outputs are the results after Infer has returned nil. They are to be read only, lie in memory shared with other
	// requests of the batch, and are valid until Release.
	Outputs []oip.Tensor

	// Timing says where the time went. It is set when Infer has returned.
	Timing Timing

	admitted
	queued

	err  error        // the answer, when it is one
	held *batch       // whose results Outputs show
	wake chan verdict // holds one: a request is told exactly one thing, or leaves before
	dims []int64      // memory of the shapes in Outputs
}

// Timing is how long a request spent in each stage. The last three are those of its batch.
type Timing struct {
	Queue  time.Duration // from Infer to the start of its run
	Input  time.Duration // putting the inputs together; 0 for a batch of one, whose input is not copied
	Infer  time.Duration // in Runner.Run
	Output time.Duration // taking the outputs apart

	Requests int // in the batch
	Rows     int
}

// admitted is what admit found out about a request. It does not change until the request is answered.
type admitted struct {
	ctx      context.Context
	rows     int              // size of dimension 0
	weight   int              // rows, at least 1: what the request takes of a batch
	bytes    int64            // of input data
	level    int              // index of its priority
	lengths  [maxRagged]int64 // of its ragged dimensions
	buckets  [maxRagged]int64 // what they are rounded up to
	hash     uint64           // of its signature
	crowd    *crowd           // the requests it may meet
	arrived  time.Duration    // since the scheduler's epoch, like all times inside
	key      time.Duration    // arrived, plus what its priority costs it: smaller goes first
	deadline time.Duration    // of where it is now: until, or in the queue that of the queue; never, if it has none
	until    time.Duration    // when its answer is of no use; never, if it has none
}

// queued is where a request is. It is guarded by Scheduler.mu.
type queued struct {
	state      state
	alone      bool  // runs by itself: the batch it was in has failed
	leaving    error // why it goes as soon as its inputs are not being read any more
	lane       *lane
	prev, next *Request // in the lane
	batch      *batch
	place      int // in batch.items
	due        int // index in the heap of deadlines it is in, -1 when in none
}

type state uint8

const (
	outside  state = iota // not in the scheduler, or answered
	waiting               // in a lane
	taken                 // in a batch whose leader may be reading its inputs
	running               // in a batch that has its own copy, or leading one
	answered              // its err is set, or will be by its batch's leader before it is woken
)

// verdict is what a waiting request is woken with.
type verdict uint8

const (
	isAnswered verdict = iota // Infer returns
	shallLead                 // it runs its batch
)

// Release gives the memory of Outputs back. Nothing of Outputs may be used after it. Infer releases what the request still
// holds; releasing twice does nothing.
func (r *Request) Release() {
	if r.held == nil {
		return
	}
	held := r.held
	r.held = nil
	clear(r.Outputs)
	r.Outputs = r.Outputs[:0]
	held.release()
}

// room makes Outputs n tensors long, with memory for shapes of dims dimensions in all.
func (r *Request) room(n, dims int) {
	if cap(r.Outputs) < n {
		r.Outputs = make([]oip.Tensor, n)
	}
	r.Outputs = r.Outputs[:n]
	if cap(r.dims) < dims {
		r.dims = make([]int64, 0, dims)
	}
	r.dims = r.dims[:0]
}

// shape returns a copy of dims in the request's own memory, which room has made.
func (r *Request) shape(dims []int64) []int64 {
	start := len(r.dims)
	r.dims = append(r.dims, dims...)
	return r.dims[start:len(r.dims):len(r.dims)]
}

// tell wakes the request. Nothing of it may be touched after it, unless the caller is a leader that it waits for.
func (r *Request) tell(v verdict) { r.wake <- v }

// The deadlines a scheduler watches are kept in heaps of requests.
func (r *Request) before(other *Request) bool { return r.deadline < other.deadline }
func (r *Request) index() *int                { return &r.due }
