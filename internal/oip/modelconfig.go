package oip

import "strings"

// ModelConfig is a model's configuration as Triton shows it: those of its fields that mean something to an ONNX model.
type ModelConfig struct {
	Name                 string
	Platform             string // "onnxruntime_onnx"
	Backend              string // "onnxruntime"
	Runtime              string
	VersionPolicy        *VersionPolicy // nil = not said
	MaxBatchSize         int32          // 0 = the model does not batch and its shapes are complete
	Inputs               []ConfigInput
	Outputs              []ConfigOutput
	Optimization         *ConfigOptimization // nil = not said
	DynamicBatching      *DynamicBatching    // nil = requests are not batched
	InstanceGroups       []InstanceGroup
	DefaultModelFilename string
	MetricTags           map[string]string
	Parameters           map[string]string // the string_value of each
	Warmup               []ConfigWarmup
	Decoupled            bool  // model_transaction_policy
	ResponseCache        *bool // response_cache.enable, nil = not said
}

// VersionPolicy says which versions are served: one of its fields is set.
type VersionPolicy struct {
	Latest   uint32 // so many of the newest
	All      bool
	Specific []int64
}

// ConfigInput is an input of a model. Dims leave the batch dimension out when MaxBatchSize is above 0.
type ConfigInput struct {
	Name             string
	Datatype         Datatype
	Format           string // "" = FORMAT_NONE
	Dims             []int64
	Reshape          []int64 // nil = as Dims; empty = a scalar
	IsShapeTensor    bool
	AllowRaggedBatch bool
	Optional         bool
}

// ConfigOutput is an output of a model.
type ConfigOutput struct {
	Name          string
	Datatype      Datatype
	Dims          []int64
	Reshape       []int64 // as for ConfigInput
	LabelFilename string
	IsShapeTensor bool
}

// ConfigOptimization says how a model is to be optimised.
type ConfigOptimization struct {
	GraphLevel      *int32        // nil = not said
	Priority        string        // "" = PRIORITY_DEFAULT
	GPUAccelerators []Accelerator // execution providers by name, in order
	CPUAccelerators []Accelerator
}

// Accelerator is an execution provider with its options.
type Accelerator struct {
	Name       string
	Parameters map[string]string
}

// DynamicBatching says how requests become batches.
type DynamicBatching struct {
	PreferredBatchSizes  []int32
	MaxQueueDelay        uint64 // microseconds
	PreserveOrdering     bool
	PriorityLevels       uint64
	DefaultPriorityLevel uint64
	DefaultQueuePolicy   *QueuePolicy // nil = not said
	PriorityQueuePolicy  map[uint64]QueuePolicy
}

// QueuePolicy bounds a queue.
type QueuePolicy struct {
	TimeoutAction        string // "" = REJECT; or DELAY
	DefaultTimeout       uint64 // microseconds, 0 = none
	AllowTimeoutOverride bool
	MaxQueueSize         uint32 // 0 = unbounded
}

// InstanceGroup is a number of sessions on some devices.
type InstanceGroup struct {
	Name       string
	Kind       string // "" = KIND_AUTO; KIND_GPU, KIND_CPU, KIND_MODEL
	Count      int32
	GPUs       []int32
	Profile    []string
	Passive    bool
	HostPolicy string
}

// ConfigWarmup is a request that is run before a model is ready.
type ConfigWarmup struct {
	Name      string
	BatchSize uint32
	Inputs    map[string]WarmupInput
	Count     uint32
}

// WarmupInput is an input of such a request: one of the last three says what it holds.
type WarmupInput struct {
	Datatype      Datatype
	Dims          []int64
	ZeroData      bool
	RandomData    bool
	InputDataFile string
}

// configTypePrefix is what Triton puts before the name of a datatype.
const configTypePrefix = "TYPE_"

// ConfigName returns the datatype's name in a model configuration: TYPE_FP32, TYPE_STRING for BYTES.
func (d Datatype) ConfigName() string {
	if d == Bytes {
		return "TYPE_STRING"
	}
	return configTypePrefix + d.String()
}

// ParseConfigDatatype returns the datatype with such a name.
func ParseConfigDatatype(s string) (Datatype, bool) {
	switch s {
	case "TYPE_STRING":
		return Bytes, true
	case "TYPE_INVALID": // what Triton prints where none is set
		return Invalid, true
	}
	name, found := strings.CutPrefix(s, configTypePrefix)
	d, ok := ParseDatatype(name)
	return d, found && ok && d != Bytes
}
