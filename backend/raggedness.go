package backend

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"ganglion/backend/modelconf"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// raggedGroups turns what the file declares into what the scheduler takes, or says where it contradicts the model.
func (in *instance) raggedGroups() (groups []scheduler.Ragged, err error) {
	for i := range in.config.Ragged {
		c := &in.config.Ragged[i]
		where := in.config.Where(fmt.Sprintf("ragged[%d]", i))
		group := scheduler.Ragged{Buckets: scheduler.Buckets(c.Longest, c.MaxWaste)}
		for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
			input, err := in.raggedInput(name, c.Inputs[name])
			if err != nil {
				return nil, fmt.Errorf("%s: ragged[%d]: %w", where, i, err)
			}
			group.Inputs = append(group.Inputs, input)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
			if err := variableAxis("output", name, c.Outputs[name], in.outputView.engine); err != nil {
				return nil, fmt.Errorf("%s: ragged[%d]: %w", where, i, err)
			}
			group.Outputs = append(group.Outputs, scheduler.RaggedOutput{Name: name, Axis: c.Outputs[name]})
		}
		if c.Mask != "" {
			// The scheduler makes masks of shape [rows, length].
			if err := variableAxis("mask", c.Mask, 1, in.view.engine); err != nil {
				return nil, fmt.Errorf("%s: ragged[%d]: %w", where, i, err)
			}
			mask := find(in.view.engine, c.Mask)
			if len(mask.Shape) != 2 {
				return nil, fmt.Errorf("%s: ragged[%d]: mask %q has %d dimensions, want 2: rows and length", where, i, c.Mask, len(mask.Shape))
			}
			group.Mask = scheduler.Mask{Name: c.Mask, Datatype: mask.Datatype}
		}
		groups = append(groups, group)
	}
	return groups, nil
}

func (in *instance) raggedInput(name string, c modelconf.RaggedInput) (scheduler.RaggedInput, error) {
	if err := variableAxis("input", name, c.Axis, in.view.engine); err != nil {
		return scheduler.RaggedInput{}, err
	}
	datatype := find(in.view.engine, name).Datatype
	value, ok := elementOf(datatype, c.Value)
	if !ok {
		return scheduler.RaggedInput{}, fmt.Errorf("input %q: %s has no %v to pad with", name, datatype, c.Value)
	}
	return scheduler.RaggedInput{Name: name, Axis: c.Axis, Datatype: datatype, Value: value}, nil
}

// variableAxis checks that a tensor of the model has a variable dimension at axis.
func variableAxis(kind, name string, axis int, tensors []oip.TensorMetadata) error {
	t := find(tensors, name)
	switch {
	case t == nil:
		return fmt.Errorf("there is no %s %q, only %s", kind, name, namesOf(tensors))
	case axis < 1 || axis >= len(t.Shape):
		return fmt.Errorf("%s %q of shape %v has no axis %d besides the batch", kind, name, t.Shape, axis)
	case t.Shape[axis] >= 0:
		return fmt.Errorf("axis %d of %s %q is always %d", axis, kind, name, t.Shape[axis])
	default:
		return nil
	}
}

func find(tensors []oip.TensorMetadata, name string) *oip.TensorMetadata {
	for i := range tensors {
		if tensors[i].Name == name {
			return &tensors[i]
		}
	}
	return nil
}

// elementOf returns the bytes of one element, nil for 0, which is right for every datatype. It is not ok when the datatype
// cannot hold the value.
func elementOf(d oip.Datatype, value float64) (element []byte, ok bool) {
	if value == 0 {
		return nil, true
	}
	bits := 8 * d.Size()
	switch d {
	case oip.FP64:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(value)), true
	case oip.FP32:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(value))), true
	case oip.Bool:
		return []byte{1}, value == 1
	case oip.Int8, oip.Int16, oip.Int32, oip.Int64:
		half := math.Ldexp(1, bits-1)
		return binary.LittleEndian.AppendUint64(nil, uint64(int64(value)))[:d.Size()], value == math.Trunc(value) && value >= -half && value < half
	case oip.Uint8, oip.Uint16, oip.Uint32, oip.Uint64:
		return binary.LittleEndian.AppendUint64(nil, uint64(max(value, 0)))[:d.Size()], value == math.Trunc(value) && value > 0 && value < math.Ldexp(1, bits)
	default: // FP16, BF16 and BYTES are padded with zero and "" only
		return nil, false
	}
}
