package scheduler

import (
	"context"

	"ganglion/internal/oip"
)

// Runner is one instance of a model. A scheduler makes one run on it at a time, from changing goroutines.
type Runner interface {
	// Run makes one inference and puts the outputs that want names into res, in that order; no names mean all outputs.
	//
	// inputs, their shapes and their data are only read, and not after Run has returned. They lie where the request's
	// sender has put them when the batch is one request (at any alignment), and in memory of the instance when it is
	// several. What is in res is not touched by the Runner after Run has returned.
	//
	// ctx ends when nobody waits for the result any more. It is the instance's own, valid during this Run only, and carries
	// neither deadline nor values. A Runner that implements Stopper need not look at it.
	//
	// An error fails every request of the batch, unless it may come from the input of one of them; see Splittable.
	Run(ctx context.Context, inputs []oip.Tensor, want []string, res *Results) error
}

// Stopper is a Runner that is told when nobody waits any more. Watching a context costs allocations or a goroutine for
// each run; being called costs nothing.
type Stopper interface {
	// Stop asks the Run that is under way to end soon. It is called at most once for each Run, and never between the return
	// of a Run and the call of the next. It may come before the Runner has done anything of its Run: what Stop sets is
	// therefore to be reset when a Run ends, not when it begins. Stop is called with the scheduler locked; it returns at
	// once and does not call the scheduler.
	Stop()
}

// Splittable is an error that tells whether the input of a single request may have caused it. If so, the requests of the
// failed batch run again one by one, once. An *oip.Error that blames the request is taken the same way without it.
type Splittable interface {
	BatchSplittable() bool
}

// Memory provides the buffers that a scheduler keeps: page-locked memory, where that makes an engine faster. It is safe for
// concurrent use.
type Memory interface {
	// Alloc returns at least size bytes of any content, aligned for every datatype.
	Alloc(size int) []byte

	// Free takes back what Alloc returned, and is called once for it. Memory that an engine may still be using after a run
	// that panicked is not given back.
	Free(data []byte)
}

// heapMemory is Go's own. From 64 bytes on, make aligns for every datatype; smaller sizes may not be.
type heapMemory struct{}

func (heapMemory) Alloc(size int) []byte { return make([]byte, max(size, 64)) }
func (heapMemory) Free([]byte)           {}
