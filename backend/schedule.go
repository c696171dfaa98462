package backend

import (
	"context"
	"errors"
	"math"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// run takes the request through the model's scheduler and puts the results into the response. They lie in memory shared
// with the rest of the batch: they are read only, and released when the answer has been written.
func (s *Server) run(in *instance, x *exchange) error {
	x.wanted = x.wanted[:0]
	for i := range x.request.Outputs {
		x.wanted = append(x.wanted, x.request.Outputs[i].Name)
	}
	in.sortInputs(x.request.Inputs)
	r := &x.scheduled
	r.Inputs, r.Want = x.request.Inputs, x.wanted
	hurried := s.heed(x)
	// fasthttp does not tell when a client hangs up. Whoever learns of it ends this context.
	if err := in.scheduler.Infer(context.Background(), r); err != nil {
		x.refused = true
		return s.blame(err, hurried)
	}
	x.response.ModelName, x.response.ModelVersion, x.response.ID = in.name, in.version, x.request.ID
	x.response.Outputs = x.response.Outputs[:0]
	for _, t := range r.Outputs {
		x.response.Outputs = append(x.response.Outputs, oip.OutputTensor{Tensor: t, Binary: x.request.WantsBinary(t.Name)})
	}
	return nil
}

// heed takes from the request's parameters what it wants of its place in the queue. hurried is set when the request gives
// itself less time than the node would. (internal/oip has refused parameters that are no whole numbers from 0.)
func (s *Server) heed(x *exchange) (hurried bool) {
	r := &x.scheduled
	r.Deadline, r.Priority = x.began.Add(s.cfg.Timeout), 0
	if v, ok := x.request.Parameters.Lookup("timeout"); ok {
		if us, _ := v.Uint(); us > 0 && us < uint64(s.cfg.Timeout.Microseconds()) {
			r.Deadline, hurried = x.began.Add(time.Duration(us)*time.Microsecond), true
		}
	}
	if v, ok := x.request.Parameters.Lookup("priority"); ok {
		level, _ := v.Uint()
		r.Priority = int(min(level, math.MaxInt32)) // far above any level: the scheduler refuses it
	}
	return hurried
}

// blame says what the client reads of an error of the scheduler that has a reason outside of it.
func (s *Server) blame(err error, hurried bool) error {
	switch {
	case errors.Is(err, scheduler.ErrTimeout) && hurried:
		return oip.Refusef(oip.Expired, "%v", err) // Triton's status and text for a time that the request has set
	case errors.Is(err, scheduler.ErrTimeout):
		return oip.Errorf(oip.DeadlineExceeded, "the inference was stopped: it took longer than %s, the node's limit, waiting included", s.cfg.Timeout)
	case errors.Is(err, scheduler.ErrClosed) && phase(s.state.Load()) == draining:
		return oip.Refusef(oip.Draining, "the node is shutting down")
	default:
		return err
	}
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

// close answers what is queued, stops what runs, and frees the model. Nobody is left to read the answers.
func (in *instance) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	// Close reports that it had to give up on requests, which is what was asked for.
	_ = in.scheduler.Close(now)
	return in.model.Close()
}
