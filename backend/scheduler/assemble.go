package scheduler

import (
	"fmt"

	"ganglion/internal/oip"
)

// assemble returns what a batch's run is given. The inputs of one request are passed on as they are, unless a mask has to be
// made for it; those of several are put together along dimension 0 in memory of the instance.
func (s *Scheduler) assemble(b *batch) ([]oip.Tensor, error) {
	in := b.instance
	first := b.items[0].request
	clear(in.inputs)
	in.inputs = in.inputs[:0]
	if len(b.items) == 1 && len(s.cfg.Ragged) == 0 {
		return first.Inputs, nil
	}
	longest := b.longest()
	for i := range first.Inputs {
		if len(b.items) == 1 {
			in.inputs = append(in.inputs, first.Inputs[i])
			continue
		}
		if err := s.join(in, b, i, &longest); err != nil {
			return nil, err
		}
	}
	for i := range s.cfg.Ragged {
		if group := &s.cfg.Ragged[i]; group.Mask.Name != "" && !has(first.Inputs, group.Mask.Name) {
			s.mask(in, b, group.Mask, i, longest[i])
		}
	}
	return in.inputs, nil
}

// longest returns the length to which each ragged dimension is padded.
func (b *batch) longest() (longest [maxRagged]int64) {
	for i := range b.items {
		for group, length := range b.items[i].lengths {
			longest[group] = max(longest[group], length)
		}
	}
	return longest
}

// join puts input i of all requests of a batch together.
func (s *Scheduler) join(in *instance, b *batch, i int, longest *[maxRagged]int64) error {
	first := &b.items[0].request.Inputs[i]
	group, ragged := s.raggedInput(first.Name)
	size := 0
	for j := range b.items {
		t := &b.items[j].request.Inputs[i]
		if group < 0 {
			size += len(t.Data)
		} else {
			size += paddedSize(t, &ragged, longest[group])
		}
	}
	t := in.next(s.cfg.Memory, first.Name, first.Datatype, first.Shape, size)
	t.Shape[0] = int64(b.rows)
	if group >= 0 {
		t.Shape[ragged.Axis] = longest[group]
	}
	data := t.Data[:0]
	for j := range b.items {
		part := &b.items[j].request.Inputs[i]
		if group < 0 || b.items[j].lengths[group] == longest[group] {
			data = append(data, part.Data...)
			continue
		}
		var err error
		if data, err = appendPadded(data, part, &ragged, longest[group]); err != nil {
			return fmt.Errorf("input %q: %w", part.Name, err)
		}
	}
	t.Data = data
	return nil
}

// next adds an input with a copy of the shape and size bytes of memory.
func (in *instance) next(mem Memory, name string, datatype oip.Datatype, shape []int64, size int) *oip.Tensor {
	i := len(in.inputs)
	for i >= len(in.rooms) {
		in.rooms = append(in.rooms, new(room))
	}
	room := in.rooms[i]
	in.inputs = append(in.inputs, oip.Tensor{
		Name: name, Datatype: datatype, Shape: append(room.dims[:0], shape...), Data: room.data.take(mem, size),
	})
	return &in.inputs[i]
}

// mask adds the mask of a ragged dimension.
func (s *Scheduler) mask(in *instance, b *batch, m Mask, group int, longest int64) {
	shape := [...]int64{int64(b.rows), longest}
	one := s.ones[group]
	t := in.next(s.cfg.Memory, m.Name, m.Datatype, shape[:], b.rows*int(longest)*len(one))
	data := t.Data[:0]
	for i := range b.items {
		it := &b.items[i]
		data = appendMask(data, m.Datatype, one, int64(it.rows), it.lengths[group], longest)
	}
}

func has(tensors []oip.Tensor, name string) bool {
	for i := range tensors {
		if tensors[i].Name == name {
			return true
		}
	}
	return false
}
