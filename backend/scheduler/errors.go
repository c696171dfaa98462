package scheduler

import (
	"errors"
	"fmt"

	"ganglion/internal/oip"
)

// What Infer refuses for reasons of its own. The errors it returns match these with errors.Is and hold an *oip.Error for the
// client, which says more. The first two texts are Triton's: its clients look for them.
var (
	ErrQueueFull = errors.New("Exceeds maximum queue size")
	ErrTimeout   = errors.New("Request timeout expired")
	ErrClosed    = errors.New("scheduler is closed")
)

// refusal is one of the errors above with what the client is told. Refusals are made once, by New: refusing has to stay
// cheap when there is most of it.
type refusal struct {
	kind   error
	client *oip.Error
}

func (r *refusal) Error() string        { return r.client.Msg }
func (r *refusal) Is(target error) bool { return target == r.kind }
func (r *refusal) Unwrap() error        { return r.client }

type refusals struct {
	queueRequests, queueBytes, timeout, closed error
}

func newRefusals(c Config) refusals {
	full := func(format string, args ...any) error {
		return &refusal{ErrQueueFull, oip.Refusef(oip.Full, "%v: %s", ErrQueueFull, fmt.Sprintf(format, args...))}
	}
	return refusals{
		queueRequests: full("model %q has %d requests waiting (max_queue_requests)", c.Model, c.MaxQueueRequests),
		queueBytes:    full("the inputs waiting for model %q would take more than %d bytes (max_queue_bytes)", c.Model, c.MaxQueueBytes),
		timeout: &refusal{ErrTimeout, oip.Errorf(oip.DeadlineExceeded, "%v: model %q did not answer within the time the request gave it",
			ErrTimeout, c.Model)},
		closed: &refusal{ErrClosed, oip.Refusef(oip.NotReady, "model %q is being unloaded", c.Model)},
	}
}

// PanicError is what the requests of a batch get whose run panicked.
type PanicError struct {
	Value any    // what was panicked with
	Stack []byte // of the run
}

func (e *PanicError) Error() string { return fmt.Sprintf("BUG: run panicked: %v", e.Value) }

// splittable reports whether one request of a batch that failed with err may be the only one at fault.
func splittable(err error) bool {
	var marked Splittable
	if errors.As(err, &marked) {
		return marked.BatchSplittable()
	}
	var blame *oip.Error
	return errors.As(err, &blame) && (blame.Code == oip.InvalidArgument || blame.Code == oip.TooLarge)
}
