package scheduler

import (
	"runtime/debug"
	"sync/atomic"

	"ganglion/internal/oip"
)

// instance is a Runner and the memory in which its batches' inputs are put together. Apart from batch, it belongs to the
// leader of its batch.
type instance struct {
	runner Runner
	ctx    *runContext
	batch  *batch       // guarded by Scheduler.mu; nil when idle
	until  atomic.Int64 // when its batch should have run, on the scheduler's clock; of no meaning when idle

	inputs []oip.Tensor
	rooms  []*room // for inputs, by index
}

// run calls the Runner. A panic of it is an error of this run alone, but the memory it was given is not used again:
// something outside of Go may still be writing to it.
func (in *instance) run(inputs []oip.Tensor, want []string, res *Results) (err error) {
	defer func() {
		in.ctx.leave()
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
			res.forget()
			in.forget()
		}
	}()
	return in.runner.Run(in.ctx, inputs, want, res)
}

// free gives the memory back.
func (in *instance) free(mem Memory) {
	for _, room := range in.rooms {
		room.data.free(mem)
	}
	in.forget()
}

func (in *instance) forget() { in.inputs, in.rooms = nil, nil }
