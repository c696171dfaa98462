package backend

import (
	"context"
	"slices"

	"ganglion/internal/oip"
)

// instance is a model version that is loaded, and what answering for it needs beyond the engine's model.
type instance struct {
	name, version string
	model         Model

	inputs, outputs []oip.TensorMetadata
	text            []bool               // parallel to inputs: takes strings too
	rows            []oip.TensorMetadata // inputs as v1 sees them: text is BYTES [-1]
	metrics         instanceMetrics
}

func newInstance(name, number string, model Model, config modelConfig) (*instance, error) {
	in := &instance{name: name, version: number, model: model}
	for _, spec := range model.Inputs() {
		in.inputs = append(in.inputs, spec.TensorMetadata)
	}
	for _, spec := range model.Outputs() {
		in.outputs = append(in.outputs, spec.TensorMetadata)
	}
	var err error
	if in.text, err = config.textInputs(in.inputs); err != nil {
		return nil, err
	}
	in.rows = slices.Clone(in.inputs)
	for i, isText := range in.text {
		if isText {
			in.rows[i].Datatype, in.rows[i].Shape = oip.Bytes, []int64{-1}
		}
	}
	return in, nil
}

// warmUp makes one run on zeros, so that the first request does not pay for what the engine sets up lazily. Variable
// dimensions are taken to be 1, which need not suit the model: a failure says nothing. It reports whether a run was made.
func (in *instance) warmUp(ctx context.Context, limit int64) (bool, error) {
	var inputs []oip.Tensor
	for _, meta := range in.inputs {
		t := oip.Tensor{Name: meta.Name, Datatype: meta.Datatype, Shape: make([]int64, len(meta.Shape))}
		for i, size := range meta.Shape {
			t.Shape[i] = size
			if size < 0 {
				t.Shape[i] = 1
			}
		}
		size := int64(t.Datatype.Size())
		if t.Datatype == oip.Bytes {
			size = 4 // an empty string is its length alone
		}
		count, err := oip.ElementCount(t.Shape)
		if err != nil || count > limit/size {
			return false, nil // larger than a request could be
		}
		t.Data = make([]byte, count*size)
		inputs = append(inputs, t)
	}
	_, err := in.model.Run(ctx, inputs, nil)
	return true, err
}
