package onnxfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Summary is what a model file says of itself. Its strings are the file's own
// bytes: they need not be UTF-8.
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

	// Weights are the same by element type.
	Weights map[ElementType]Weights

	// External are the distinct locations of tensor data kept in other
	// files, in order of appearance, exactly as the file spells them. The
	// caller decides whether to follow them: they are a stranger's paths.
	External []string
}

// Weights are the constant tensors of one element type.
type Weights struct {
	Tensors  int64
	Elements int64
	Bytes    int64 // of the elements packed; of strings it is not known
}

// ReadFile sums up the model file at path.
func ReadFile(path string) (*Summary, error) {
	info, err := os.Stat(path) // before it is opened: opening a pipe waits for somebody to write
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot read ONNX model %q: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := Read(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("cannot read ONNX model %q: %w", path, err)
	}
	return s, nil
}

// Read sums up the model in the first size bytes of r. It reads headers only:
// tensor data is skipped. Memory is bounded whatever the file says, and time by
// the file's size.
func Read(r io.ReaderAt, size int64) (*Summary, error) {
	switch {
	case size < 0:
		return nil, fmt.Errorf("size is %d bytes: 0 or more are accepted", size)
	case size == 0:
		return nil, errors.New("the file is empty")
	}
	src := &source{r: r, size: size}
	if err := refusePointer(src); err != nil {
		return nil, err
	}
	rd := &reader{
		src:      src,
		sum:      &Summary{Ops: map[string]map[string]int{}, Weights: map[ElementType]Weights{}},
		defaults: map[string]bool{},
		seen:     map[string]bool{},
	}
	if err := rd.model(span{what: "model", end: size}); err != nil {
		return nil, err
	}
	return rd.sum, nil
}

// refusePointer recognises what a clone without git-lfs leaves in a model's
// place: the commonest reason for a model file that is none.
func refusePointer(s *source) error {
	magic := []byte("version https://git-lfs")
	head := make([]byte, min(int64(len(magic)), s.size))
	if err := s.read(head, 0); err != nil {
		return err
	}
	if bytes.Equal(head, magic) {
		return errors.New("the file is a git-lfs pointer, not the model: run \"git lfs pull\"")
	}
	return nil
}

// reader fills one Summary.
type reader struct {
	src      *source
	sum      *Summary
	defaults map[string]bool // initializers of the main graph
	seen     map[string]bool // external locations
}

// model reads a ModelProto.
func (r *reader) model(m span) error {
	hasGraph := false
	err := r.src.walk(m, func(f field) error {
		switch {
		case f.is(7, wireBytes):
			hasGraph = true
			return r.graph(f.message("graph"), mainGraph)
		case f.is(8, wireBytes):
			return r.opset(f.message("opset import"))
		case f.is(14, wireBytes):
			p, err := r.property(f.message("metadata"), r.src.text)
			r.sum.Metadata = append(r.sum.Metadata, p)
			return err
		case f.is(20, wireBytes):
			return r.training(f.message("training info"))
		case f.is(25, wireBytes):
			return r.function(f.message("function"))
		}
		return r.modelScalar(f)
	})
	if err != nil {
		return err
	}
	if !hasGraph {
		return errors.New("holds no graph: not an ONNX model")
	}
	r.dropDefaults()
	return nil
}

// modelScalar reads a ModelProto's numbers and strings.
func (r *reader) modelScalar(f field) (err error) {
	s := r.sum
	switch {
	case f.is(1, wireVarint):
		s.IRVersion = int64(f.value)
	case f.is(2, wireBytes):
		s.Producer, err = r.src.text(f)
	case f.is(3, wireBytes):
		s.ProducerVersion, err = r.src.text(f)
	case f.is(4, wireBytes):
		s.Domain, err = r.src.text(f)
	case f.is(5, wireVarint):
		s.ModelVersion = int64(f.value)
	}
	return err
}

// opset reads an OperatorSetIdProto.
func (r *reader) opset(m span) error {
	var o Opset
	err := r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(1, wireBytes):
			o.Domain, err = r.src.text(f)
		case f.is(2, wireVarint):
			o.Version = int64(f.value)
		}
		return err
	})
	if err != nil {
		return err
	}
	o.Domain = canonicalDomain(o.Domain)
	r.sum.Opsets = append(r.sum.Opsets, o)
	return r.src.keep(0)
}

// property reads a StringStringEntryProto, its strings by read.
func (r *reader) property(m span, read func(field) (string, error)) (p Property, err error) {
	err = r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(1, wireBytes):
			p.Key, err = read(f)
		case f.is(2, wireBytes):
			p.Value, err = read(f)
		}
		return err
	})
	return p, err
}

// dropDefaults takes the inputs that have an initializer out of the summary.
func (r *reader) dropDefaults() {
	required := r.sum.Inputs[:0]
	for _, v := range r.sum.Inputs {
		if !r.defaults[v.Name] {
			required = append(required, v)
		}
	}
	r.sum.Inputs = required
}

// canonicalDomain spells the standard domain in one of its two ways.
func canonicalDomain(domain string) string {
	if domain == "ai.onnx" {
		return ""
	}
	return domain
}
