package backend

import (
	"fmt"
	"slices"

	"ganglion/backend/modelconf"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// instance is a model version that is loaded, and what answering for it needs beyond the engine's model.
type instance struct {
	name, version string
	model         Model
	config        modelConfig
	origin        origin               // what it was loaded from
	scheduler     *scheduler.Scheduler // all inferences go through it

	presented
	inputs, outputs []oip.TensorMetadata // as clients see them
	unmasked        []oip.TensorMetadata // the inputs without the masks that the scheduler can make
	text            []bool               // parallel to inputs: takes strings too
	rows            []oip.TensorMetadata // inputs as v1 sees them: text is BYTES [-1]
	metrics         *versionMetrics
	life            lifetime
}

func newInstance(name, number string, model Model, config modelConfig) (*instance, error) {
	in := &instance{name: name, version: number, model: model, config: config, life: lifetime{idle: make(chan struct{})}}
	var err error
	if err = in.present(); err != nil {
		return nil, err
	}
	if in.text, err = textInputs(&config, in.inputs); err != nil {
		return nil, err
	}
	in.unmasked = slices.DeleteFunc(slices.Clone(in.inputs), in.isMask)
	in.rows = slices.Clone(in.inputs)
	for i, isText := range in.text {
		if isText {
			in.rows[i].Datatype, in.rows[i].Shape = oip.Bytes, []int64{-1}
		}
	}
	return in, nil
}

// isMask reports whether an input is one that says what is padding.
func (in *instance) isMask(input oip.TensorMetadata) bool {
	return slices.ContainsFunc(in.config.Ragged, func(c modelconf.Ragged) bool { return c.Mask == input.Name })
}

// expected are the inputs that a request has to have: it may leave out the masks, but not some of them.
func (in *instance) expected(r *oip.InferRequest) []oip.TensorMetadata {
	if len(r.Inputs) == len(in.unmasked) {
		return in.unmasked
	}
	return in.inputs
}

// schedule gives the version its scheduler.
func (in *instance) schedule(batchSize int, runners []scheduler.Runner) error {
	c := &in.config
	ragged, err := in.raggedGroups()
	if err != nil {
		return err
	}
	if batchSize == 0 && (len(ragged) > 0 || len(c.PreferredBatchSizes) > 0) {
		return fmt.Errorf("%s declares ragged dimensions or preferred batch sizes, but the model's requests are not batched", configFile)
	}
	in.scheduler, err = scheduler.New(scheduler.Config{
		Model:            in.name,
		MaxBatchSize:     batchSize,
		RunLarger:        c.MaxBatchSize == findOut,
		MaxQueueDelay:    c.MaxQueueDelay,
		PreferredSizes:   c.PreferredBatchSizes,
		MaxQueueRequests: c.MaxQueueRequests,
		MaxQueueBytes:    int64(c.MaxQueueBytes),
		PriorityLevels:   c.PriorityLevels,
		DefaultPriority:  c.DefaultPriority,
		Ragged:           ragged,
		Memory:           in.model.Memory(),
		Observer:         in.metrics,
	}, runners...)
	if err != nil {
		return fmt.Errorf("%s: %w", configFile, err)
	}
	return nil
}
