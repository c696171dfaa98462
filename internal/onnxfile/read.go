package onnxfile

import (
	"errors"
	"io"
)

// Summary is what a model file says of itself.
type Summary struct {
	IRVersion       int64
	Producer        string
	ProducerVersion string
	Domain          string
	ModelVersion    int64
	Graph           string // the graph's name
	Opsets          []Opset
	Metadata        []Property

	// Inputs are what a caller must bring: graph inputs that have an
	// initializer, and so a default, are left out.
	Inputs, Outputs []Value

	// Ops counts nodes by operator domain ("" is ai.onnx) and operator,
	// those of subgraphs and of the model's own functions included.
	Ops map[string]map[string]int

	// Parameters is the number of elements in all constant tensors,
	// wherever they are: initializers, attributes, subgraphs.
	Parameters int64

	// External are the distinct locations of tensor data kept in other
	// files, in order of appearance, exactly as the file spells them. The
	// caller decides whether to follow them: they are a stranger's paths.
	External []string
}

// ReadFile sums up the model file at path.
func ReadFile(path string) (*Summary, error) { return nil, errors.ErrUnsupported }

// Read sums up the model in the first size bytes of r. It reads headers only:
// tensor data is skipped.
func Read(r io.ReaderAt, size int64) (*Summary, error) { return nil, errors.ErrUnsupported }
