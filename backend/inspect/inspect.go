// Package inspect says what a model file is: its inputs and outputs with the names of what varies, its operators and opsets,
// its parameters, the files it needs beside it, and what the engine would run where.
//
// It owns the report and its two forms, a text for people and JSON for scripts. It reads the file's own description, which
// needs no engine; what the engine makes of the model comes from whoever has one. It runs nothing.
//
// Functions here share nothing; a Report is only read once it has been made.
package inspect

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"ganglion/internal/onnxfile"
)

// Report is what is known of a model. Its JSON form is for scripts: fields are added, but not renamed.
type Report struct {
	Path            string            `json:"path"`
	Bytes           int64             `json:"bytes"` // of the file itself
	Producer        string            `json:"producer"`
	ProducerVersion string            `json:"producer_version"`
	Graph           string            `json:"graph"`
	ModelVersion    int64             `json:"model_version"`
	IRVersion       int64             `json:"ir_version"`
	Opsets          []Opset           `json:"opsets"`
	Metadata        map[string]string `json:"metadata"`
	Inputs          []Tensor          `json:"inputs"`
	Outputs         []Tensor          `json:"outputs"`
	Dimensions      []Dimension       `json:"dimensions"` // those with a name
	Operators       []Operator        `json:"operators"`
	Parameters      int64             `json:"parameters"`
	Weights         []Weights         `json:"weights"`
	External        []External        `json:"external_data"`
	Engine          *Engine           `json:"engine,omitempty"` // nil if none was asked
}

// Opset is the version of an operator domain.
type Opset struct {
	Domain  string `json:"domain"` // "ai.onnx" is the standard one
	Version int64  `json:"version"`
}

// Tensor is an input or output. Of one that is no tensor only the type tells.
type Tensor struct {
	Name  string `json:"name"`
	Type  string `json:"type"`  // "float32[batch,4]"
	Kind  string `json:"kind"`  // "tensor"
	Shape []any  `json:"shape"` // numbers, names, or "?"; null for what does not tell its rank
}

// Dimension is a name for a size that each run chooses, and where it stands.
type Dimension struct {
	Name string   `json:"name"`
	At   []string `json:"at"` // "input_ids[0]"
}

// Operator is how often one is in the graph, subgraphs and functions included.
type Operator struct {
	Domain string `json:"domain"`
	Name   string `json:"name"`
	Count  int    `json:"count"`
}

// Weights are the constants of one element type.
type Weights struct {
	Type     string `json:"type"`
	Tensors  int64  `json:"tensors"`
	Elements int64  `json:"elements"`
	Bytes    int64  `json:"bytes"` // 0 for strings, whose size the header does not tell
}

// External is a file that the model keeps weights in.
type External struct {
	Location string `json:"location"` // as the model spells it
	Bytes    int64  `json:"bytes"`
	Problem  string `json:"problem,omitempty"` // why it cannot be used
}

// Engine is what the engine says of the model.
type Engine struct {
	Name     string     `json:"name"`
	Version  string     `json:"version"`
	Device   string     `json:"device"`
	Problem  string     `json:"problem,omitempty"` // why it does not load the model
	Coverage []Coverage `json:"coverage"`
}

// Coverage is what one provider runs. Counts are those of the graph as the engine first rewrites it, which leaves operators
// out that need not be run; fusions into larger ones come later.
type Coverage struct {
	Provider  string     `json:"provider"`
	Nodes     int        `json:"nodes"`
	Operators []Operator `json:"operators"`
}

// Add counts operators that the provider runs.
func (c *Coverage) Add(domain, operator string, count int) {
	c.Nodes += count
	c.Operators = append(c.Operators, Operator{domainOf(domain), operator, count})
	sortOperators(c.Operators)
}

// standardDomain is what the empty domain is called for people.
const standardDomain = "ai.onnx"

// File reports on the model file at path, without what an engine would say.
func File(path string) (*Report, error) {
	sum, err := onnxfile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Path: path, Bytes: info.Size(),
		Producer: sum.Producer, ProducerVersion: sum.ProducerVersion, Graph: sum.Graph, ModelVersion: sum.ModelVersion, IRVersion: sum.IRVersion,
		Opsets: []Opset{}, Metadata: map[string]string{}, Dimensions: []Dimension{}, Operators: []Operator{}, Weights: []Weights{}, External: []External{},
		Inputs: tensorsOf(sum.Inputs), Outputs: tensorsOf(sum.Outputs),
		Parameters: sum.Parameters,
	}
	for _, o := range sum.Opsets {
		r.Opsets = append(r.Opsets, Opset{domainOf(o.Domain), o.Version})
	}
	for _, p := range sum.Metadata {
		r.Metadata[p.Key] = p.Value
	}
	r.dimensions(sum)
	for domain, ops := range sum.Ops {
		for name, count := range ops {
			r.Operators = append(r.Operators, Operator{domainOf(domain), name, count})
		}
	}
	sortOperators(r.Operators)
	for _, elem := range slices.Sorted(maps.Keys(sum.Weights)) {
		w := sum.Weights[elem]
		r.Weights = append(r.Weights, Weights{elem.String(), w.Tensors, w.Elements, w.Bytes})
	}
	for _, location := range sum.External {
		r.External = append(r.External, externalOf(path, location))
	}
	return r, nil
}

// sortOperators puts the most frequent first.
func sortOperators(ops []Operator) {
	slices.SortFunc(ops, func(a, b Operator) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Name, b.Name))
	})
}

func domainOf(domain string) string {
	if domain == "" {
		return standardDomain
	}
	return domain
}

func tensorsOf(values []onnxfile.Value) []Tensor {
	tensors := []Tensor{}
	for _, v := range values {
		t := Tensor{Name: v.Name, Type: v.Type.String(), Kind: v.Type.Kind.String()}
		if v.Type.Kind == onnxfile.Tensor && !v.Type.Unranked {
			t.Shape = []any{}
			for _, d := range v.Type.Dims {
				if d.Size >= 0 {
					t.Shape = append(t.Shape, d.Size)
				} else {
					t.Shape = append(t.Shape, d.String())
				}
			}
		}
		tensors = append(tensors, t)
	}
	return tensors
}

// dimensions collects the names of what varies.
func (r *Report) dimensions(sum *onnxfile.Summary) {
	at := map[string][]string{}
	for _, v := range slices.Concat(sum.Inputs, sum.Outputs) {
		for i, d := range v.Type.Dims {
			if d.Size < 0 && d.Name != "" {
				at[d.Name] = append(at[d.Name], v.Name+"["+strconv.Itoa(i)+"]")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(at)) {
		r.Dimensions = append(r.Dimensions, Dimension{name, at[name]})
	}
}

// externalOf looks for a file that the model keeps weights in. It follows no path out of the model's folder.
func externalOf(path, location string) External {
	e := External{Location: location}
	if !filepath.IsLocal(location) {
		e.Problem = "leads out of the model's folder"
		return e
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(path), location))
	switch {
	case err != nil:
		e.Problem = "is missing"
	case !info.Mode().IsRegular():
		e.Problem = "is not a regular file"
	default:
		e.Bytes = info.Size()
	}
	return e
}
