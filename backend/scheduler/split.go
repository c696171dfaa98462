package scheduler

import (
	"ganglion/internal/oip"
)

// split gives each request that still waits for a batch its part of the results.
func (s *Scheduler) split(b *batch, want []string) error {
	tensors := b.results.tensors
	if len(want) > 0 && len(want) != len(tensors) {
		return oip.Errorf(oip.Internal, "model %q gave %d outputs, %d were asked for", s.cfg.Model, len(tensors), len(want))
	}
	if len(b.items) == 1 {
		if r := b.items[0].request; r != nil {
			r.Outputs = append(r.Outputs[:0], tensors...)
		}
		return nil
	}
	dims := 0
	for i := range tensors {
		dims += len(tensors[i].Shape)
	}
	for i := range b.items {
		if r := b.items[i].request; r != nil {
			r.room(len(tensors), dims)
		}
	}
	longest := b.longest()
	for i := range tensors {
		if err := s.splitOutput(b, i, &longest); err != nil {
			return err
		}
	}
	return nil
}

// splitOutput cuts output i along dimension 0, and the padding out of the parts.
func (s *Scheduler) splitOutput(b *batch, i int, longest *[maxRagged]int64) error {
	t := &b.results.tensors[i]
	if len(t.Shape) == 0 || t.Shape[0] != int64(b.rows) {
		return oip.Errorf(oip.Internal,
			"output %q of model %q has shape %d after a run of %d rows: its first dimension is not the batch, so the model cannot batch (max_batch_size = 0)",
			t.Name, s.cfg.Model, t.Shape, b.rows)
	}
	group, axis := s.raggedOutput(t.Name)
	if group >= 0 && (axis >= len(t.Shape) || t.Shape[axis] != longest[group]) {
		return oip.Errorf(oip.Internal, "output %q of model %q has shape %d after a run padded to %d: dimension %d is not the ragged one",
			t.Name, s.cfg.Model, t.Shape, longest[group], axis)
	}
	elements := product(t.Shape[1:])
	rest := cursor{t.Data, t.Datatype.Size()}
	for j := range b.items {
		it := &b.items[j]
		data, err := rest.take(int64(it.rows) * elements)
		if err != nil {
			return oip.Errorf(oip.Internal, "output %q of model %q: %v", t.Name, s.cfg.Model, err)
		}
		if it.request == nil {
			continue
		}
		shape := it.request.shape(t.Shape)
		shape[0] = int64(it.rows)
		if group >= 0 && it.lengths[group] != longest[group] {
			if data, err = cut(data, t.Datatype, shape, axis, it.lengths[group]); err != nil {
				return oip.Errorf(oip.Internal, "output %q of model %q: %v", t.Name, s.cfg.Model, err)
			}
			shape[axis] = it.lengths[group]
		}
		it.request.Outputs[i] = oip.Tensor{Name: t.Name, Datatype: t.Datatype, Shape: shape, Data: data}
	}
	if len(rest.rest) > 0 {
		return oip.Errorf(oip.Internal, "output %q of model %q has %d bytes more than its shape %d takes",
			t.Name, s.cfg.Model, len(rest.rest), t.Shape)
	}
	return nil
}
