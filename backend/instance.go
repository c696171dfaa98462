package backend

import (
	"slices"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// instance is a model version that is loaded, and what answering for it needs beyond the engine's model.
type instance struct {
	name, version string
	model         Model
	scheduler     *scheduler.Scheduler // all inferences go through it

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
