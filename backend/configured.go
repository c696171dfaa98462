package backend

import (
	"slices"
	"strconv"

	"ganglion/backend/modelconf"
	"ganglion/internal/oip"
)

// ModelConfig is the configuration of a model that is ready, as Triton shows it: with all that was found out where the files
// left it open. version may be empty for the one that the node would choose. What it returns is the caller's.
func (s *Server) ModelConfig(model, version string) (*oip.ModelConfig, error) {
	in, err := s.catalog.Load().find(model, version)
	if err != nil {
		return nil, err
	}
	c := &in.config
	shown := &oip.ModelConfig{
		Name:                 in.name,
		Platform:             s.engine.Info().Platform,
		Backend:              s.engine.Info().Name,
		VersionPolicy:        shownVersions(&c.Versions),
		MaxBatchSize:         int32(min(in.batch, 1<<30)),
		Inputs:               in.shownInputs(),
		Outputs:              in.shownOutputs(),
		Optimization:         shownOptimization(c),
		DynamicBatching:      in.shownBatching(),
		DefaultModelFilename: c.ModelFile,
		Parameters:           map[string]string{"intra_op_thread_count": strconv.Itoa(c.Instances.Threads)},
	}
	for i, p := range c.Instances.Placements() {
		shown.InstanceGroups = append(shown.InstanceGroups, in.shownGroup(i, &p))
	}
	for i := range c.WarmUp {
		shown.Warmup = append(shown.Warmup, in.shownWarmUp(&c.WarmUp[i]))
	}
	return shown, nil
}

func shownVersions(v *modelconf.Versions) *oip.VersionPolicy {
	switch {
	case v.All:
		return &oip.VersionPolicy{All: true}
	case len(v.Only) > 0:
		return &oip.VersionPolicy{Specific: slices.Clone(v.Only)}
	case v.Latest > 0:
		return &oip.VersionPolicy{Latest: uint32(min(v.Latest, 1<<30))}
	default:
		return &oip.VersionPolicy{Latest: defaultLatest}
	}
}

// shownShape leaves the batch out where the model batches.
func (in *instance) shownShape(shape []int64) []int64 {
	if in.batch > 0 && len(shape) > 0 {
		shape = shape[1:]
	}
	return append([]int64{}, shape...)
}

func (in *instance) shownInputs() []oip.ConfigInput {
	var shown []oip.ConfigInput
	for i, t := range in.inputs {
		one := oip.ConfigInput{Name: t.Name, Datatype: t.Datatype, Dims: in.shownShape(t.Shape)}
		if engine := in.view.engine[i].Shape; !slices.Equal(engine, t.Shape) {
			one.Reshape = in.shownShape(engine)
		}
		shown = append(shown, one)
	}
	return shown
}

func (in *instance) shownOutputs() []oip.ConfigOutput {
	var shown []oip.ConfigOutput
	for i, t := range in.outputs {
		one := oip.ConfigOutput{Name: t.Name, Datatype: t.Datatype, Dims: in.shownShape(t.Shape), LabelFilename: in.config.Outputs[t.Name].Labels}
		if engine := in.outputView.engine[i].Shape; !slices.Equal(engine, t.Shape) {
			one.Reshape = in.shownShape(engine)
		}
		shown = append(shown, one)
	}
	return shown
}

// shownBatching is nil for a model that does not batch.
func (in *instance) shownBatching() *oip.DynamicBatching {
	c := &in.config
	if in.batch == 0 {
		return nil
	}
	shown := &oip.DynamicBatching{
		MaxQueueDelay: uint64(c.MaxQueueDelay.Microseconds()),
		DefaultQueuePolicy: &oip.QueuePolicy{
			DefaultTimeout:       uint64(c.QueueTimeout.Microseconds()),
			AllowTimeoutOverride: true,
			MaxQueueSize:         uint32(c.MaxQueueRequests),
		},
	}
	for _, size := range c.PreferredBatchSizes {
		shown.PreferredBatchSizes = append(shown.PreferredBatchSizes, int32(size))
	}
	if c.PriorityLevels > 1 {
		shown.PriorityLevels, shown.DefaultPriorityLevel = uint64(c.PriorityLevels), uint64(c.DefaultPriority)
		if c.DefaultPriority == 0 {
			shown.DefaultPriorityLevel = shown.PriorityLevels
		}
	}
	return shown
}

// shownGroup is the instances on one device. Their count is the model's own only where they are all of them.
func (in *instance) shownGroup(i int, p *modelconf.Placement) oip.InstanceGroup {
	group := engineGroup(p)
	shown := oip.InstanceGroup{Name: in.name + "_" + strconv.Itoa(i), Kind: "KIND_AUTO", Count: int32(p.Count)}
	if len(in.config.Instances.Placements()) == 1 {
		shown.Count = int32(len(in.model.Runners()))
	}
	switch group.Provider {
	case CPU:
		shown.Kind = "KIND_CPU"
	case CUDA, TensorRT:
		shown.Kind = "KIND_GPU"
	}
	for _, gpu := range group.GPUs {
		shown.GPUs = append(shown.GPUs, int32(gpu))
	}
	return shown
}

// shownOptimization is nil where the engine is left to itself.
func shownOptimization(c *modelConfig) *oip.ConfigOptimization {
	e := &c.Engine
	shown := &oip.ConfigOptimization{}
	if level, ok := map[string]int32{"none": -2, "basic": -1, "extended": 1, "all": 2}[e.Optimization]; ok {
		shown.GraphLevel = &level
	}
	if cuda := shownCUDA(&e.CUDA); len(cuda) > 0 {
		shown.GPUAccelerators = append(shown.GPUAccelerators, oip.Accelerator{Name: "cuda", Parameters: cuda})
	}
	for _, p := range c.Instances.Placements() {
		if engineGroup(&p).Provider == TensorRT {
			shown.GPUAccelerators = append(shown.GPUAccelerators, oip.Accelerator{Name: "tensorrt", Parameters: shownTensorRT(&e.TensorRT)})
			break
		}
	}
	if shown.GraphLevel == nil && len(shown.GPUAccelerators) == 0 {
		return nil
	}
	return shown
}

func shownCUDA(c *modelconf.CUDA) map[string]string {
	shown := map[string]string{}
	if c.MemoryLimit > 0 {
		shown["gpu_mem_limit"] = strconv.FormatInt(int64(c.MemoryLimit), 10)
	}
	if strategy, ok := map[string]string{"power_of_two": "kNextPowerOfTwo", "as_requested": "kSameAsRequested"}[c.Arena]; ok {
		shown["arena_extend_strategy"] = strategy
	}
	if search, ok := map[string]string{"exhaustive": "EXHAUSTIVE", "heuristic": "HEURISTIC", "default": "DEFAULT"}[c.ConvSearch]; ok {
		shown["cudnn_conv_algo_search"] = search
	}
	if !c.TF32 {
		shown["use_tf32"] = "0"
	}
	return shown
}

func shownTensorRT(c *modelconf.TensorRT) map[string]string {
	shown := map[string]string{"precision_mode": "FP32"}
	if c.FP16 {
		shown["precision_mode"] = "FP16"
	}
	if c.Workspace > 0 {
		shown["max_workspace_size_bytes"] = strconv.FormatInt(int64(c.Workspace), 10)
	}
	if c.EngineCache != "" {
		shown["trt_engine_cache_enable"], shown["trt_engine_cache_path"] = "1", c.EngineCache
	}
	return shown
}

func (in *instance) shownWarmUp(w *modelconf.WarmUp) oip.ConfigWarmup {
	shown := oip.ConfigWarmup{Name: w.Name, BatchSize: uint32(w.Rows), Count: uint32(max(w.Count, 1)), Inputs: map[string]oip.WarmupInput{}}
	for name, said := range w.Inputs {
		one := oip.WarmupInput{Dims: slices.Clone(said.Shape)}
		if meta := find(in.inputs, name); meta != nil {
			one.Datatype = meta.Datatype
			if said.Shape == nil {
				one.Dims = in.shownShape(meta.Shape)
			}
		}
		switch said.Data {
		case "", "zero":
			one.ZeroData = true
		case "random":
			one.RandomData = true
		default:
			one.InputDataFile = said.Data
		}
		shown.Inputs[name] = one
	}
	return shown
}
