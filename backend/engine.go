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

	// Close lets go of the engine, after all its models have been closed.
	Close() error
}

// ModelOptions bound one model.
type ModelOptions struct {
	// MaxOutput is how many bytes the outputs of one run may take together. A run that would give more is refused, where
	// the shapes tell beforehand without running it.
	MaxOutput int64

	// Threads is how many CPU threads share the work of one run; 0 is 1.
	Threads int
}

// EngineInfo says what an engine is and what it runs on.
type EngineInfo struct {
	Name     string // "onnxruntime"
	Version  string // of the library
	Platform string // what model metadata shows as the platform of its models
	Device   string // "cpu" or "cuda:N"
	Reason   string // why that device
	Runs     int    // how many runs it makes at the same time; more wait
}

// Model is a loaded model version.
type Model interface {
	// Inputs and Outputs describe the model, in its own order. They never change and are only to be read.
	Inputs() []Spec
	Outputs() []Spec

	// Runner returns one more instance of the model; instances run side by side. Its inputs are all the model's, in any
	// order, with names, datatypes and ranks that fit; Run may be called until Close.
	//
	// Of its errors, a *oip.Error means that the request is at fault or that it was too large, and may be shown to the
	// client. The context's error means that it ended first. Any other error is the engine's or the model's; its text is for
	// the log.
	Runner() scheduler.Runner

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
