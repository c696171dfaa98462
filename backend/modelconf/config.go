package modelconf

import (
	"math"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/internal/conf"
)

// Config is a model's configuration. It holds for all versions of the model. docs/model-config.md describes the keys.
type Config struct {
	// ModelFile is the name of the model in the folder of each version.
	ModelFile string `toml:"model_file"`

	Versions Versions          `toml:"versions"`
	Aliases  map[string]string `toml:"aliases"` // name to version number

	Inputs  map[string]Input  `toml:"inputs"`
	Outputs map[string]Output `toml:"outputs"`

	// Complete says that the model's inputs are those above, and that clients see no other outputs.
	Complete struct{ Inputs, Outputs bool }

	MaxBatchSize        int           `toml:"max_batch_size"` // FindOut, if not set
	MaxQueueDelay       time.Duration `toml:"max_queue_delay"`
	PreferredBatchSizes []int         `toml:"preferred_batch_sizes"`
	MaxQueueRequests    int           `toml:"max_queue_requests"`
	MaxQueueBytes       conf.Size     `toml:"max_queue_bytes"`
	QueueTimeout        time.Duration `toml:"queue_timeout"` // of requests that name none; 0 is none
	PriorityLevels      int           `toml:"priority_levels"`
	DefaultPriority     int           `toml:"default_priority"` // 0 is the lowest

	Instances Instances `toml:"instances"`
	Engine    Engine    `toml:"engine"`
	WarmUp    []WarmUp  `toml:"warm_up"`
	Ragged    []Ragged  `toml:"ragged"`

	// Source is the name of the file that the configuration was read from, without a folder; "" if there was none.
	Source string
	// Warnings are what the file says in vain, one line each.
	Warnings []string

	line func(key string) int // where a key above stands, 0 if that is not known; nil without a source
}

// FindOut is a MaxBatchSize that no file can mean.
const FindOut = math.MinInt

// Versions says which versions of a model are served. The zero value leaves it to the node.
type Versions struct {
	All    bool    `toml:"all"`
	Latest int     `toml:"latest"` // so many, the highest numbers
	Only   []int64 `toml:"only"`   // these
}

// Tensor is what a configuration says of an input or output whatever the model says. It narrows: what it leaves out is the
// model's.
type Tensor struct {
	Datatype string  `toml:"datatype"` // as the protocol spells it: "FP32"
	Shape    []int64 `toml:"shape"`    // as clients see it, without the batch where the model batches; -1 varies

	// Reshape is the same without the batch as the model has it, where that is another: a model of [batch] that clients
	// bring [batch,1]. It holds as many elements as Shape; nil is the same as Shape.
	Reshape []int64 `toml:"reshape"`
}

// Input is [inputs.NAME].
type Input struct {
	Tensor

	// Text makes an input of UINT8 [-1,-1] also take BYTES: one string a row, padded with zeros to the longest.
	Text bool `toml:"text"`

	// Optional inputs have a default in the model, which requests leave it at.
	Optional bool `toml:"optional"`
}

// Output is [outputs.NAME].
type Output struct {
	Tensor

	// Labels names a file beside the configuration: what the indices along the last dimension stand for, one a line.
	Labels string `toml:"labels"`
}

// Instances is [instances].
type Instances struct {
	Count   int         `toml:"count"`   // 0 is as many as the node makes runs at once on a CPU, and 1 on a GPU
	Threads int         `toml:"threads"` // of each, on a CPU
	Device  string      `toml:"device"`  // "cpu", "cuda:N" or "tensorrt:N"; "" is the node's
	On      []Placement `toml:"on"`      // instead of Count and Device, where instances are on more than one device
}

// Placement is so many instances on one device.
type Placement struct {
	Device string `toml:"device"` // as in Instances
	Count  int    `toml:"count"`  // as in Instances
}

// Placements are the devices that instances are on, at least one, each once.
func (i *Instances) Placements() []Placement {
	if len(i.On) == 0 {
		return []Placement{{Device: i.Device, Count: i.Count}}
	}
	return i.On
}

// Engine is [engine]: how the engine is to run the model.
type Engine struct {
	Optimization string   `toml:"optimization"` // "none", "basic", "extended" or "all", the default
	CUDA         CUDA     `toml:"cuda"`
	TensorRT     TensorRT `toml:"tensorrt"`
}

// CUDA is [engine.cuda]: of instances on a GPU.
type CUDA struct {
	MemoryLimit conf.Size `toml:"memory_limit"` // of the runs of each instance, its weights besides; 0 is no limit
	Arena       string    `toml:"arena"`        // "power_of_two", the default, or "as_requested"
	ConvSearch  string    `toml:"conv_search"`  // "exhaustive", the default, "heuristic" or "default"
	TF32        bool      `toml:"tf32"`         // the default is true
}

// TensorRT is [engine.tensorrt]: of instances on "tensorrt:N".
type TensorRT struct {
	FP16        bool      `toml:"fp16"`
	Workspace   conf.Size `toml:"workspace"`    // to build an engine with; 0 is TensorRT's default
	EngineCache string    `toml:"engine_cache"` // an absolute folder in which built engines are kept
}

// WarmUp is one [[warm_up]]: a request that is run before a version is ready.
type WarmUp struct {
	Name   string                 `toml:"name"`   // for the log
	Count  int                    `toml:"count"`  // times; 0 is once
	Rows   int64                  `toml:"rows"`   // the batch size; 0 is one row for models that batch
	Inputs map[string]WarmUpInput `toml:"inputs"` // those left out are zeros
}

// WarmUpInput is what a warm-up request brings for one input.
type WarmUpInput struct {
	Shape []int64 `toml:"shape"` // without the batch where the model batches; none takes the model's, with 1 for what varies
	Data  string  `toml:"data"`  // "zero", "random" or the name of a file in the model's warmup folder; "" is "zero"
}

// Ragged is one [[ragged]]: a dimension in which requests may differ and still share a batch.
type Ragged struct {
	Inputs   map[string]RaggedInput `toml:"inputs"`
	Outputs  map[string]int         `toml:"outputs"` // name to axis
	Mask     string                 `toml:"mask"`
	Longest  int64                  `toml:"longest"`
	MaxWaste float64                `toml:"max_waste"`
}

// RaggedInput is one of a Ragged's inputs.
type RaggedInput struct {
	Axis  int     `toml:"axis"`
	Value float64 `toml:"value"` // to pad with
}

// DefaultModelFile is what a model is called where nothing else is said.
const DefaultModelFile = "model.onnx"

// Default is the configuration of a model that has none.
func Default() Config {
	var c Config
	c.SetDefaults()
	return c
}

// SetDefaults makes a configuration that leaves everything to be found out.
func (c *Config) SetDefaults() {
	c.ModelFile = DefaultModelFile
	c.MaxBatchSize = FindOut
	c.MaxQueueRequests = scheduler.DefaultQueueRequests
	c.MaxQueueBytes = scheduler.DefaultQueueBytes
	c.PriorityLevels = 1
	c.Instances.Threads = 1
	c.Engine.CUDA.TF32 = true
}

// SetDefaults lets at most half of a padded tensor be padding: what that costs is less than what a batch gains, for the
// models that gain from batches at all.
func (c *Ragged) SetDefaults() { c.Longest, c.MaxWaste = 512, 0.5 }

// SetDefaults takes the first dimension behind the batch.
func (c *RaggedInput) SetDefaults() { c.Axis = 1 }
