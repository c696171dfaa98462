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
	refuse := func(kind error, code oip.Code, format string, args ...any) error {
		return &refusal{kind, oip.Errorf(code, format, args...)}
	}
	return refusals{
		queueRequests: refuse(ErrQueueFull, oip.Unavailable, "%v: model %q has %d requests waiting (max_queue_requests)",
			ErrQueueFull, c.Model, c.MaxQueueRequests),
		queueBytes: refuse(ErrQueueFull, oip.Unavailable, "%v: the inputs waiting for model %q would take more than %d bytes (max_queue_bytes)",
			ErrQueueFull, c.Model, c.MaxQueueBytes),
		timeout: refuse(ErrTimeout, oip.DeadlineExceeded, "%v: model %q did not answer within the time the request gave it",
			ErrTimeout, c.Model),
		closed: refuse(ErrClosed, oip.Unavailable, "model %q is being unloaded", c.Model),
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
