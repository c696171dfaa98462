package backend

import (
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// Engine opens model files. An Engine is safe for concurrent use.
type Engine interface {
	// Open loads the model file at path, an absolute path that the caller has found to be safe. The error says what is
	// wrong with the file; it may name path.
	Open(path string, opt ModelOptions) (Model, error)

	// Info describes the engine; it never changes.
	Info() EngineInfo

	// Health is nil, or why the engine makes no more runs that are worth waiting for: its device is gone, or is in a state
	// that only a new process ends. What it has once reported it goes on reporting. It only reads a variable.
	Health() error

	// Arena tells of the memory of runs; zero where the engine does not know.
	Arena() Arena

	// Close lets go of the engine, after all its models have been closed.
	Close() error
}

// ModelOptions bound one model, and say where and how it runs. The zero value of every field is its default.
type ModelOptions struct {
	// MaxOutput is how many bytes the outputs of one run may take together. A run that would give more is refused, where
	// the shapes tell beforehand without running it.
	MaxOutput int64

	// Threads is how many CPU threads share the work of one run; 0 is 1.
	Threads int

	// Instances are the places the model runs at; none is one group of zero value.
	Instances []InstanceGroup

	// Optimization is how far the engine rewrites the model's graph before it runs it: "none", "basic", "extended" or "all";
	// "" is "all".
	Optimization string

	CUDA     CUDAOptions     // of instances on the CUDA and TensorRT providers
	TensorRT TensorRTOptions // of instances on the TensorRT provider

	// Content is the model file itself, to be opened in place of the one at the path, which then only names it; nil is none.
	// It is not used any more when Open returns.
	Content []byte
}

// InstanceGroup is a number of equal instances. Those on a CPU share one copy of the model; each on a GPU has its own.
type InstanceGroup struct {
	Provider Provider
	GPUs     []int // devices that have Count instances each, as CUDA numbers them; none is the engine's own, or the first
	Count    int   // 0 is as many as the engine makes runs at once on a CPU, and 1 on a GPU
}

// Provider is what computes.
type Provider string

// The providers. TensorRT leaves to CUDA, and CUDA to the CPU, those operators that it does not have.
const (
	OwnProvider Provider = "" // that of the engine's device
	CPU         Provider = "cpu"
	CUDA        Provider = "cuda"
	TensorRT    Provider = "tensorrt"
)

// CUDAOptions are those of ONNX Runtime's CUDA provider that are worth a choice.
type CUDAOptions struct {
	MemoryLimit int64  // bytes of GPU memory that the runs of one instance may take, its weights besides; 0 sets no limit
	Arena       string // how the arena grows: "power_of_two" (the default), or "as_requested", tighter and slower while it grows
	ConvSearch  string // how convolutions are chosen: "exhaustive" (the default), "heuristic" or "default", faster to load
	NoTF32      bool   // keeps FP32 arithmetic at full precision on GPUs that have TF32
}

// TensorRTOptions are those of ONNX Runtime's TensorRT provider that are worth a choice.
type TensorRTOptions struct {
	FP16        bool   // lets TensorRT compute in FP16 where it is faster: answers change in their last digits
	Workspace   int64  // bytes of GPU memory that building an engine may take; 0 is TensorRT's own default
	EngineCache string // folder in which built engines are kept, absolute; "" builds them at every load
}

// EngineInfo says what an engine is and what it runs on.
type EngineInfo struct {
	Name     string // "onnxruntime"
	Version  string // of the library
	Platform string // what model metadata shows as the platform of its models
	Device   string // "cpu", "cuda:N" or "tensorrt:N"
	Reason   string // why that device
	Runs     int    // how many runs it makes at the same time on the CPU; more wait
}

// Arena is the host memory from which an engine takes the tensors of runs.
type Arena struct {
	Used  int64 // bytes that tensors take
	Held  int64 // bytes that the arena has taken from the system, and gives back after a while
	Limit int64 // what it may take; 0 is no limit
}

// Model is a loaded model version.
type Model interface {
	// Inputs and Outputs describe the model, in its own order. They never change and are only to be read.
	Inputs() []Spec
	Outputs() []Spec

	// Runners are the instances of the model that were asked for, at least one; they run side by side. Their inputs are all the
	// model's, in any order, with names, datatypes and ranks that fit; Run may be called until Close.
	//
	// Of its errors, a *oip.Error means that the request is at fault or that it was too large, and may be shown to the
	// client. The context's error means that it ended first. Any other error is the engine's or the model's; its text is for
	// the log.
	Runners() []scheduler.Runner

	// Memory is where a scheduler of the model should keep tensors, nil for Go's heap. It outlives the model.
	Memory() scheduler.Memory

	// Close waits for runs in flight and frees the model. Later runs fail.
	Close() error
}

// Spec describes one input or output of a model.
type Spec struct {
	oip.TensorMetadata // Shape is empty for a scalar, and [-1] for an output that does not tell its rank

	// Axes are the names of the variable dimensions, parallel to Shape; "" where a dimension is fixed or has no name.
	// Equal names mean equal sizes within one run.
	Axes []string
}
