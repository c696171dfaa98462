package backend

import (
	"context"
	"errors"
	"math"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// inference is one request on its way through a model, whatever protocol it came by, and the memory for that, reused for
// later ones. It belongs to whoever took it from Server.inferences or has it as part of an exchange, until Server.finish.
type inference struct {
	began     time.Time         // when its request was there
	in        *instance         // acquired
	scheduled scheduler.Request // for the scheduler
	rows      []byte            // padded text
	wanted    []string          // names of the outputs asked for
	refused   bool              // by the scheduler, which counts its refusals itself
	unrun     int64             // requests that had not been run when it came, with this one; 0 = it has been
	held      int64             // bytes taken of the node's tensor memory
	release   func()            // finish, for those who get to hold on to the answer; made once
}

// keepBytes is what an exchange may hold on to of each buffer between requests: above nearly every request, and small
// enough to have one for each connection.
const keepBytes = 64 << 10

// run takes r through the model and puts the results into out. They lie in memory shared with the rest of the batch: they are
// read only, and valid until finish, which is called whether or not run has failed.
func (s *Server) run(ctx context.Context, x *inference, r *oip.InferRequest, out *oip.InferResponse) error {
	in := x.in
	for i := range r.Inputs {
		if err := s.hold(x, int64(len(r.Inputs[i].Data))); err != nil {
			return err
		}
	}
	if err := s.padText(x, in, r); err != nil {
		return err
	}
	if err := oip.CheckRequest(in.name, in.expected(r), in.outputs, r); err != nil {
		return err
	}
	x.wanted = x.wanted[:0]
	for i := range r.Outputs {
		x.wanted = append(x.wanted, r.Outputs[i].Name)
	}
	x.wanted = in.offered(x.wanted)
	in.sortInputs(r.Inputs)
	if in.view.reshaped {
		in.view.toEngine(r.Inputs)
	}
	q := &x.scheduled
	q.Inputs, q.Want = r.Inputs, x.wanted
	hurried := s.heed(x, r)
	err := in.scheduler.Infer(ctx, q)
	x.wasRun()
	if err != nil {
		x.refused = true
		return s.blame(ctx, x, err, hurried)
	}
	out.ModelName, out.ModelVersion, out.ID = in.name, in.version, r.ID
	out.Parameters, out.Outputs = out.Parameters[:0], out.Outputs[:0]
	for _, t := range q.Outputs {
		if in.outputView.reshaped {
			in.outputView.toClient(&t)
		}
		if err := in.classify(r, &t); err != nil {
			return err
		}
		out.Outputs = append(out.Outputs, oip.OutputTensor{Tensor: t, Binary: r.WantsBinary(t.Name)})
	}
	return nil
}

// classify makes the best classes of an output that was asked for as such.
func (in *instance) classify(r *oip.InferRequest, t *oip.Tensor) error {
	for i := range r.Outputs {
		if want := &r.Outputs[i]; want.Classification > 0 && want.Name == t.Name {
			return oip.Classify(t, want.Classification, in.batch > 0, in.labelsOf(t.Name))
		}
	}
	return nil
}

// labelsOf are the names of an output's classes, nil where nobody has given them any.
func (in *instance) labelsOf(output string) []string {
	for i := range in.outputs {
		if in.outputs[i].Name == output && i < len(in.labels) {
			return in.labels[i]
		}
	}
	return nil
}

// enter begins an inference on an instance that has been acquired for it.
func (x *inference) enter(in *instance, began time.Time) {
	x.in, x.began, x.refused = in, began, false
	x.unrun = in.metrics.came(began)
}

// wasRun notes that the inference's run is over, or will not come.
func (x *inference) wasRun() {
	if x.unrun != 0 {
		x.unrun = 0
		x.in.metrics.unrun.Add(-1)
	}
}

// settle ends an inference: its answer has been read, or it has none.
func (s *Server) settle(x *inference) {
	x.scheduled.Release()
	x.scheduled.Inputs = nil
	s.tensors.Release(x.held)
	x.held = 0
	if cap(x.rows) > keepBytes {
		x.rows = nil
	}
	x.wasRun()
	x.in.metrics.inside.Add(-1)
	s.teller.changed()
	x.in.release()
	x.in = nil
}

// finish settles an inference of the pool's and puts it back.
func (s *Server) finish(x *inference) {
	s.settle(x)
	s.inferences.Put(x)
}

// newInference makes one for the pool.
func (s *Server) newInference() *inference {
	x := new(inference)
	x.release = func() { s.finish(x) }
	return x
}

// heed takes from the request's parameters what it wants of its place in the queue. hurried is set when the request gives
// itself less time than the node would. (internal/oip has refused parameters that are no whole numbers from 0.)
func (s *Server) heed(x *inference, r *oip.InferRequest) (hurried bool) {
	q := &x.scheduled
	q.Deadline, q.QueueDeadline, q.Priority = x.began.Add(s.cfg.Timeout), time.Time{}, 0
	timeout := uint64(0)
	if v, ok := r.Parameters.Lookup("timeout"); ok {
		timeout, _ = v.Uint()
	}
	switch wait := x.in.config.QueueTimeout; {
	case timeout > 0 && timeout < uint64(s.cfg.Timeout.Microseconds()):
		q.Deadline, hurried = x.began.Add(time.Duration(timeout)*time.Microsecond), true
	case timeout == 0 && wait > 0:
		q.QueueDeadline = x.began.Add(wait)
	}
	if v, ok := r.Parameters.Lookup("priority"); ok {
		level, _ := v.Uint()
		q.Priority = int(min(level, math.MaxInt32)) // far above any level: the scheduler refuses it
	}
	return hurried
}

// blame says what the client reads of an error of the scheduler that has a reason outside of it.
func (s *Server) blame(ctx context.Context, x *inference, err error, hurried bool) error {
	switch {
	case errors.Is(err, scheduler.ErrTimeout) && overdue(ctx):
		return err // the deadline that came with the request
	case errors.Is(err, scheduler.ErrTimeout) && (hurried || x.late()):
		return oip.Refusef(oip.Expired, "%v", err) // Triton's status and text for a time that the request or the model has set
	case errors.Is(err, scheduler.ErrTimeout):
		return oip.Errorf(oip.DeadlineExceeded, "the inference was stopped: it took longer than %s, the node's limit, waiting included", s.cfg.Timeout)
	case errors.Is(err, scheduler.ErrClosed) && phase(s.state.Load()) == draining:
		return oip.Refusef(oip.Draining, "the node is shutting down")
	default:
		return err
	}
}

// late reports whether the time that the model's configuration gives requests to wait has been what ended this one's.
func (x *inference) late() bool {
	q := &x.scheduled
	return !q.QueueDeadline.IsZero() && time.Now().Before(q.Deadline)
}

// overdue reports whether the deadline that came with the request's transport has passed.
func overdue(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// sortInputs puts the inputs of a request into the model's order: requests share batches when theirs is the same.
func (in *instance) sortInputs(inputs []oip.Tensor) {
	next := 0
	for i := range in.inputs {
		for j := next; j < len(inputs); j++ {
			if inputs[j].Name == in.inputs[i].Name {
				inputs[next], inputs[j] = inputs[j], inputs[next]
				next++
				break
			}
		}
	}
}
