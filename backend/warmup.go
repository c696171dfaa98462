package backend

import (
	"context"
	"errors"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// errNoTrial means that a model has no run on zeros that a request could ask for.
var errNoTrial = errors.New("its fixed dimensions make inputs larger than a request may be")

// trial makes single runs before a model version serves, so that the first request does not pay for what the engine sets
// up lazily.
type trial struct {
	model  string // for errors
	inputs []oip.TensorMetadata
	runner scheduler.Runner
	limit  int64 // bytes of each input
}

// onZeros runs one batch of so many rows; the variable dimensions besides are taken to be 1, which need not suit the model: a
// failure says nothing.
func (t *trial) onZeros(ctx context.Context, rows int64) ([]oip.Tensor, error) {
	inputs := make([]oip.Tensor, 0, len(t.inputs))
	for _, meta := range t.inputs {
		zeros, ok := zerosOf(meta, rows, t.limit)
		if !ok {
			return nil, errNoTrial
		}
		inputs = append(inputs, zeros)
	}
	return t.on(ctx, inputs)
}

// on runs the inputs as one batch.
func (t *trial) on(ctx context.Context, inputs []oip.Tensor) ([]oip.Tensor, error) {
	r := &scheduler.Request{Inputs: inputs}
	s, err := scheduler.New(scheduler.Config{Model: t.model}, t.runner)
	if err != nil {
		return nil, err
	}
	err = s.Infer(ctx, r)
	return r.Outputs, errors.Join(err, s.Close(ctx))
}

// zerosOf makes an input of at most limit bytes.
func zerosOf(meta oip.TensorMetadata, rows, limit int64) (t oip.Tensor, ok bool) {
	t = oip.Tensor{Name: meta.Name, Datatype: meta.Datatype, Shape: make([]int64, len(meta.Shape))}
	for i, size := range meta.Shape {
		switch {
		case size >= 0:
			t.Shape[i] = size
		case i == 0:
			t.Shape[i] = rows
		default:
			t.Shape[i] = 1
		}
	}
	size := int64(t.Datatype.Size())
	if t.Datatype == oip.Bytes {
		size = 4 // an empty string is its length alone
	}
	count, err := oip.ElementCount(t.Shape)
	if err != nil || count > limit/size {
		return t, false
	}
	t.Data = make([]byte, count*size)
	return t, true
}

// differentRows makes inputs of two rows with numbers that are the same every time, and of each row by itself.
func differentRows(inputs []oip.TensorMetadata, limit int64) (pair, first, second []oip.Tensor, ok bool) {
	for _, meta := range inputs {
		two, ok := zerosOf(meta, 2, limit)
		if !ok {
			return nil, nil, nil, false
		}
		randomize(&two)
		one, other, half := two, two, len(two.Data)/2
		one.Shape, one.Data = withRows(two.Shape, 1), two.Data[:half:half]
		other.Shape, other.Data = withRows(two.Shape, 1), two.Data[half:]
		pair, first, second = append(pair, two), append(first, one), append(second, other)
	}
	return pair, first, second, true
}
