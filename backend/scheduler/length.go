package scheduler

import (
	"slices"

	"ganglion/internal/oip"
)

// raggedInput returns the ragged dimension that an input has: the index of its group, and the input's declaration. The group
// is -1 when it has none.
func (s *Scheduler) raggedInput(name string) (group int, input RaggedInput) {
	for i := range s.cfg.Ragged {
		g := &s.cfg.Ragged[i]
		for j := range g.Inputs {
			if g.Inputs[j].Name == name {
				return i, g.Inputs[j]
			}
		}
		if g.Mask.Name != "" && g.Mask.Name == name {
			return i, RaggedInput{Name: name, Axis: maskAxis, Datatype: g.Mask.Datatype}
		}
	}
	return -1, RaggedInput{}
}

// raggedAxis is raggedInput for those who only want to know the axis, -1 when there is none.
func (s *Scheduler) raggedAxis(name string) (group, axis int) {
	if len(s.cfg.Ragged) == 0 {
		return -1, -1
	}
	group, input := s.raggedInput(name)
	if group < 0 {
		return -1, -1
	}
	return group, input.Axis
}

// raggedOutput returns the ragged dimension that an output has, -1 when it has none.
func (s *Scheduler) raggedOutput(name string) (group, axis int) {
	for i := range s.cfg.Ragged {
		for _, output := range s.cfg.Ragged[i].Outputs {
			if output.Name == name {
				return i, output.Axis
			}
		}
	}
	return -1, -1
}

// measure finds the lengths of a request and the buckets they fall into.
func (s *Scheduler) measure(r *Request) error {
	r.lengths, r.buckets = [maxRagged]int64{}, [maxRagged]int64{}
	if len(s.cfg.Ragged) == 0 {
		return nil
	}
	var from [maxRagged]string // the input that told the length
	for i := range r.Inputs {
		t := &r.Inputs[i]
		group, input := s.raggedInput(t.Name)
		if group < 0 {
			continue
		}
		if t.Datatype != input.Datatype || len(t.Shape) <= input.Axis {
			return oip.Errorf(oip.InvalidArgument, "input %q is %s with %d dimensions, model %q takes it as %s with more than %d",
				t.Name, t.Datatype, len(t.Shape), s.cfg.Model, input.Datatype, input.Axis)
		}
		length := t.Shape[input.Axis]
		if from[group] != "" && length != r.lengths[group] {
			return oip.Errorf(oip.InvalidArgument, "inputs %q and %q are %d and %d long, model %q takes them at the same length",
				from[group], t.Name, r.lengths[group], length, s.cfg.Model)
		}
		buckets := s.cfg.Ragged[group].Buckets
		if length > buckets[len(buckets)-1] && length > int64(len(t.Data)) {
			// An empty tensor may claim any length; a mask would have to be made for all of it.
			return oip.Errorf(oip.InvalidArgument, "input %q has a length of %d and no data for it", t.Name, length)
		}
		from[group], r.lengths[group], r.buckets[group] = t.Name, length, bucketOf(buckets, length)
	}
	return nil
}

// bucketOf returns the smallest bucket that holds length, or length itself when none does.
func bucketOf(buckets []int64, length int64) int64 {
	if i, _ := slices.BinarySearch(buckets, length); i < len(buckets) {
		return buckets[i]
	}
	return length
}
