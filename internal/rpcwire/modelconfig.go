package rpcwire

import (
	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// ModelConfig returns c as a message.
func ModelConfig(c *oip.ModelConfig) *pb.ModelConfig {
	m := &pb.ModelConfig{
		Name: c.Name, Platform: c.Platform, Backend: c.Backend, Runtime: c.Runtime,
		VersionPolicy:        versionPolicy(c.VersionPolicy),
		MaxBatchSize:         c.MaxBatchSize,
		Optimization:         optimization(c.Optimization),
		InstanceGroup:        instanceGroups(c.InstanceGroups),
		DefaultModelFilename: c.DefaultModelFilename,
		MetricTags:           c.MetricTags,
		ModelWarmup:          warmups(c.Warmup),
	}
	for i := range c.Inputs {
		m.Input = append(m.Input, configInput(&c.Inputs[i]))
	}
	for i := range c.Outputs {
		m.Output = append(m.Output, configOutput(&c.Outputs[i]))
	}
	if c.DynamicBatching != nil {
		m.SchedulingChoice = &pb.ModelConfig_DynamicBatching{DynamicBatching: dynamicBatching(c.DynamicBatching)}
	}
	if len(c.Parameters) > 0 {
		m.Parameters = make(map[string]*pb.ModelParameter, len(c.Parameters))
		for name, value := range c.Parameters {
			m.Parameters[name] = &pb.ModelParameter{StringValue: utf8Only(value)}
		}
	}
	if c.Decoupled {
		m.ModelTransactionPolicy = &pb.ModelTransactionPolicy{Decoupled: true}
	}
	if c.ResponseCache != nil {
		m.ResponseCache = &pb.ModelResponseCache{Enable: *c.ResponseCache}
	}
	return m
}

// dataType is a datatype under the name that configurations have for it.
func dataType(d oip.Datatype) pb.DataType {
	if d == oip.Bytes {
		return pb.DataType_TYPE_STRING
	}
	return pb.DataType(pb.DataType_value["TYPE_"+d.String()]) // TYPE_INVALID for what has no name there
}

func versionPolicy(p *oip.VersionPolicy) *pb.ModelVersionPolicy {
	switch {
	case p == nil:
		return nil
	case p.All:
		return &pb.ModelVersionPolicy{PolicyChoice: &pb.ModelVersionPolicy_All_{All: &pb.ModelVersionPolicy_All{}}}
	case len(p.Specific) > 0:
		return &pb.ModelVersionPolicy{PolicyChoice: &pb.ModelVersionPolicy_Specific_{
			Specific: &pb.ModelVersionPolicy_Specific{Versions: p.Specific},
		}}
	default:
		return &pb.ModelVersionPolicy{PolicyChoice: &pb.ModelVersionPolicy_Latest_{
			Latest: &pb.ModelVersionPolicy_Latest{NumVersions: p.Latest},
		}}
	}
}

func configInput(in *oip.ConfigInput) *pb.ModelInput {
	return &pb.ModelInput{
		Name: in.Name, DataType: dataType(in.Datatype), Dims: in.Dims, Reshape: reshape(in.Reshape),
		Format:        pb.ModelInput_Format(pb.ModelInput_Format_value[in.Format]),
		IsShapeTensor: in.IsShapeTensor, AllowRaggedBatch: in.AllowRaggedBatch, Optional: in.Optional,
	}
}

func configOutput(out *oip.ConfigOutput) *pb.ModelOutput {
	return &pb.ModelOutput{
		Name: out.Name, DataType: dataType(out.Datatype), Dims: out.Dims, Reshape: reshape(out.Reshape),
		LabelFilename: out.LabelFilename, IsShapeTensor: out.IsShapeTensor,
	}
}

// reshape tells nil, no reshape, from the empty shape, a scalar.
func reshape(shape []int64) *pb.ModelTensorReshape {
	if shape == nil {
		return nil
	}
	return &pb.ModelTensorReshape{Shape: shape}
}

func optimization(o *oip.ConfigOptimization) *pb.ModelOptimizationPolicy {
	if o == nil {
		return nil
	}
	m := &pb.ModelOptimizationPolicy{
		Priority: pb.ModelOptimizationPolicy_ModelPriority(pb.ModelOptimizationPolicy_ModelPriority_value[o.Priority]),
	}
	if o.GraphLevel != nil {
		m.Graph = &pb.ModelOptimizationPolicy_Graph{Level: *o.GraphLevel}
	}
	if len(o.GPUAccelerators)+len(o.CPUAccelerators) > 0 {
		m.ExecutionAccelerators = &pb.ModelOptimizationPolicy_ExecutionAccelerators{
			GpuExecutionAccelerator: accelerators(o.GPUAccelerators),
			CpuExecutionAccelerator: accelerators(o.CPUAccelerators),
		}
	}
	return m
}

func accelerators(list []oip.Accelerator) []*pb.ModelOptimizationPolicy_ExecutionAccelerators_Accelerator {
	var m []*pb.ModelOptimizationPolicy_ExecutionAccelerators_Accelerator
	for _, a := range list {
		m = append(m, &pb.ModelOptimizationPolicy_ExecutionAccelerators_Accelerator{Name: a.Name, Parameters: a.Parameters})
	}
	return m
}

func dynamicBatching(b *oip.DynamicBatching) *pb.ModelDynamicBatching {
	m := &pb.ModelDynamicBatching{
		PreferredBatchSize:        b.PreferredBatchSizes,
		MaxQueueDelayMicroseconds: b.MaxQueueDelay,
		PreserveOrdering:          b.PreserveOrdering,
		PriorityLevels:            b.PriorityLevels,
		DefaultPriorityLevel:      b.DefaultPriorityLevel,
	}
	if b.DefaultQueuePolicy != nil {
		m.DefaultQueuePolicy = queuePolicy(b.DefaultQueuePolicy)
	}
	if len(b.PriorityQueuePolicy) > 0 {
		m.PriorityQueuePolicy = make(map[uint64]*pb.ModelQueuePolicy, len(b.PriorityQueuePolicy))
		for level, policy := range b.PriorityQueuePolicy {
			m.PriorityQueuePolicy[level] = queuePolicy(&policy)
		}
	}
	return m
}

func queuePolicy(p *oip.QueuePolicy) *pb.ModelQueuePolicy {
	return &pb.ModelQueuePolicy{
		TimeoutAction:              pb.ModelQueuePolicy_TimeoutAction(pb.ModelQueuePolicy_TimeoutAction_value[p.TimeoutAction]),
		DefaultTimeoutMicroseconds: p.DefaultTimeout,
		AllowTimeoutOverride:       p.AllowTimeoutOverride,
		MaxQueueSize:               p.MaxQueueSize,
	}
}

func instanceGroups(groups []oip.InstanceGroup) []*pb.ModelInstanceGroup {
	var m []*pb.ModelInstanceGroup
	for _, g := range groups {
		m = append(m, &pb.ModelInstanceGroup{
			Name: g.Name, Kind: pb.ModelInstanceGroup_Kind(pb.ModelInstanceGroup_Kind_value[g.Kind]), Count: g.Count,
			Gpus: g.GPUs, Profile: g.Profile, Passive: g.Passive, HostPolicy: g.HostPolicy,
		})
	}
	return m
}

func warmups(list []oip.ConfigWarmup) []*pb.ModelWarmup {
	var m []*pb.ModelWarmup
	for _, w := range list {
		warmup := &pb.ModelWarmup{Name: w.Name, BatchSize: w.BatchSize, Count: w.Count, Inputs: make(map[string]*pb.ModelWarmup_Input)}
		for name, in := range w.Inputs {
			warmup.Inputs[name] = warmupInput(&in)
		}
		m = append(m, warmup)
	}
	return m
}

func warmupInput(in *oip.WarmupInput) *pb.ModelWarmup_Input {
	m := &pb.ModelWarmup_Input{DataType: dataType(in.Datatype), Dims: in.Dims}
	switch {
	case in.ZeroData:
		m.InputDataType = &pb.ModelWarmup_Input_ZeroData{ZeroData: true}
	case in.RandomData:
		m.InputDataType = &pb.ModelWarmup_Input_RandomData{RandomData: true}
	case in.InputDataFile != "":
		m.InputDataType = &pb.ModelWarmup_Input_InputDataFile{InputDataFile: in.InputDataFile}
	}
	return m
}
