package scheduler

import (
	"context"

	"ganglion/internal/oip"
)

// admit checks what a request is and prepares it for the queue.
func (s *Scheduler) admit(ctx context.Context, r *Request) error {
	if r.wake == nil {
		r.wake = make(chan verdict, 1)
	}
	r.admitted = admitted{ctx: ctx}
	r.queued = queued{due: -1}
	for i := range r.Inputs {
		// Data that is shorter or longer than its shape says would move the rows of all that follow in a batch.
		if err := r.Inputs[i].Validate(); err != nil {
			return err
		}
		r.bytes += int64(len(r.Inputs[i].Data))
	}
	if err := s.countRows(r); err != nil {
		return err
	}
	if err := s.rank(r); err != nil {
		return err
	}
	if err := s.measure(r); err != nil {
		return err
	}
	r.hash = s.hashOf(r)
	return nil
}

// countRows finds the size of dimension 0, in which all inputs must agree.
func (s *Scheduler) countRows(r *Request) error {
	r.rows, r.weight = 1, 1
	if s.cfg.MaxBatchSize == 0 || len(r.Inputs) == 0 {
		r.alone = true
		return nil
	}
	for i := range r.Inputs {
		t := &r.Inputs[i]
		if len(t.Shape) == 0 {
			return oip.Errorf(oip.InvalidArgument, "input %q has no dimensions, model %q takes a batch of rows in the first", t.Name, s.cfg.Model)
		}
		if first := &r.Inputs[0]; t.Shape[0] != first.Shape[0] {
			return oip.Errorf(oip.InvalidArgument, "inputs %q and %q have %d and %d rows, model %q takes the same number (dimension 0) in all",
				first.Name, t.Name, first.Shape[0], t.Shape[0], s.cfg.Model)
		}
	}
	rows := r.Inputs[0].Shape[0]
	switch {
	case rows <= int64(s.cfg.MaxBatchSize):
	case s.cfg.RunLarger:
		r.alone = true
	default:
		return oip.Errorf(oip.InvalidArgument, "request has %d rows, model %q takes at most %d at a time (max_batch_size): send it in parts",
			rows, s.cfg.Model, s.cfg.MaxBatchSize)
	}
	r.rows, r.weight = int(rows), max(int(rows), 1)
	return nil
}

// rank finds the priority level.
func (s *Scheduler) rank(r *Request) error {
	levels := s.cfg.PriorityLevels
	switch {
	case levels == 1:
	case r.Priority == 0:
		r.level = s.cfg.DefaultPriority - 1
	case r.Priority < 0 || r.Priority > levels:
		return oip.Errorf(oip.InvalidArgument, "priority %d: model %q has the levels 1 (highest) to %d, and 0 for its default",
			r.Priority, s.cfg.Model, levels)
	default:
		r.level = r.Priority - 1
	}
	return nil
}
