package modelconf

import "ganglion/internal/pbtxt"

// triton is Triton's ModelConfig message. Fields of type pbtxt.Any are refused, or left out with a warning, as a whole.
type triton struct {
	Name          string         `pb:"name"`
	Platform      string         `pb:"platform"`
	Backend       string         `pb:"backend"`
	Runtime       string         `pb:"runtime"`
	VersionPolicy *versionPolicy `pb:"version_policy"`
	MaxBatchSize  int32          `pb:"max_batch_size"`
	Input         []tensor       `pb:"input"`
	Output        []tensor       `pb:"output"`
	BatchInput    pbtxt.Any      `pb:"batch_input"`
	BatchOutput   pbtxt.Any      `pb:"batch_output"`
	Optimization  optimization   `pb:"optimization"`

	DynamicBatching *dynamicBatching `pb:"dynamic_batching"`
	Sequence        pbtxt.Any        `pb:"sequence_batching"`
	Ensemble        pbtxt.Any        `pb:"ensemble_scheduling"`

	InstanceGroup []instanceGroup      `pb:"instance_group"`
	ModelFile     string               `pb:"default_model_filename"`
	ModelFiles    map[string]string    `pb:"cc_model_filenames"`
	MetricTags    map[string]string    `pb:"metric_tags"`
	Parameters    map[string]parameter `pb:"parameters"`
	Warmup        []warmup             `pb:"model_warmup"`
	Operations    operations           `pb:"model_operations"`
	Transactions  transactions         `pb:"model_transaction_policy"`
	Agents        pbtxt.Any            `pb:"model_repository_agents"`
	ResponseCache responseCache        `pb:"response_cache"`
	Metrics       pbtxt.Any            `pb:"model_metrics"`
}

type versionPolicy struct {
	Latest *struct {
		NumVersions uint32 `pb:"num_versions"`
	} `pb:"latest"`
	All      *struct{} `pb:"all"`
	Specific *struct {
		Versions []int64 `pb:"versions"`
	} `pb:"specific"`
}

// tensor is a ModelInput or a ModelOutput: some fields are those of one of them only.
type tensor struct {
	Name          string   `pb:"name"`
	DataType      dataType `pb:"data_type"`
	Format        format   `pb:"format"`
	Dims          []int64  `pb:"dims"`
	Reshape       *reshape `pb:"reshape"`
	LabelFilename string   `pb:"label_filename"`
	IsShapeTensor bool     `pb:"is_shape_tensor"`
	AllowRagged   bool     `pb:"allow_ragged_batch"`
	Optional      bool     `pb:"optional"`
	NonLinear     bool     `pb:"is_non_linear_format_io"`
}

type reshape struct {
	Shape []int64 `pb:"shape"`
}

type dataType string

func (dataType) Words() []string {
	return []string{
		"TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64", "TYPE_INT8", "TYPE_INT16",
		"TYPE_INT32", "TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64", "TYPE_STRING", "TYPE_BF16",
	}
}

type format string

func (format) Words() []string { return []string{"FORMAT_NONE", "FORMAT_NHWC", "FORMAT_NCHW"} }

type optimization struct {
	Graph *struct {
		Level int32 `pb:"level"`
	} `pb:"graph"`
	Priority     modelPriority `pb:"priority"`
	CUDA         pbtxt.Any     `pb:"cuda"`
	Accelerators struct {
		GPU []accelerator `pb:"gpu_execution_accelerator"`
		CPU []accelerator `pb:"cpu_execution_accelerator"`
	} `pb:"execution_accelerators"`
	PinnedInput  pbtxt.Any `pb:"input_pinned_memory"`
	PinnedOutput pbtxt.Any `pb:"output_pinned_memory"`
	Gather       pbtxt.Any `pb:"gather_kernel_buffer_threshold"`
	Eager        pbtxt.Any `pb:"eager_batching"`
}

type modelPriority string

func (modelPriority) Words() []string {
	return []string{"PRIORITY_DEFAULT", "PRIORITY_MAX", "PRIORITY_MIN"}
}

type accelerator struct {
	Name       string            `pb:"name"`
	Parameters map[string]string `pb:"parameters"`
}

type dynamicBatching struct {
	Preferred          []int32                `pb:"preferred_batch_size"`
	MaxQueueDelay      uint64                 `pb:"max_queue_delay_microseconds"`
	PreserveOrdering   bool                   `pb:"preserve_ordering"`
	PriorityLevels     uint64                 `pb:"priority_levels"`
	DefaultPriority    uint64                 `pb:"default_priority_level"`
	DefaultQueuePolicy queuePolicy            `pb:"default_queue_policy"`
	PriorityPolicies   map[uint64]queuePolicy `pb:"priority_queue_policy"`
}

type queuePolicy struct {
	TimeoutAction  timeoutAction `pb:"timeout_action"`
	DefaultTimeout uint64        `pb:"default_timeout_microseconds"`
	AllowOverride  bool          `pb:"allow_timeout_override"`
	MaxQueueSize   uint32        `pb:"max_queue_size"`
}

type timeoutAction string

func (timeoutAction) Words() []string { return []string{"REJECT", "DELAY"} }

type instanceGroup struct {
	Name             string       `pb:"name"`
	Kind             instanceKind `pb:"kind"`
	Count            int32        `pb:"count"`
	RateLimiter      pbtxt.Any    `pb:"rate_limiter"`
	GPUs             []int32      `pb:"gpus"`
	SecondaryDevices pbtxt.Any    `pb:"secondary_devices"`
	Profile          []string     `pb:"profile"`
	Passive          bool         `pb:"passive"`
	HostPolicy       string       `pb:"host_policy"`
}

type instanceKind string

func (instanceKind) Words() []string {
	return []string{"KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"}
}

type parameter struct {
	StringValue string `pb:"string_value"`
}

type warmup struct {
	Name      string                 `pb:"name"`
	BatchSize uint32                 `pb:"batch_size"`
	Inputs    map[string]warmupInput `pb:"inputs"`
	Count     uint32                 `pb:"count"`
}

type warmupInput struct {
	DataType dataType `pb:"data_type"`
	Dims     []int64  `pb:"dims"`
	Zero     bool     `pb:"zero_data"`
	Random   bool     `pb:"random_data"`
	File     string   `pb:"input_data_file"`
}

type operations struct {
	Libraries []string `pb:"op_library_filename"`
}

type transactions struct {
	Decoupled bool `pb:"decoupled"`
}

type responseCache struct {
	Enable bool `pb:"enable"`
}
