// Package check tells before a deployment whether a repository is ready for it: whether every model loads, answers as its
// test data says, is fast enough and fits into memory, and how it should be configured on this machine.
//
// It owns the test data that lies beside models, the measurements and what they are taken to mean, and the report. It asks a
// node in its own process, through the scheduler and all, but without network or protocol: what it measures is the node.
// It changes nothing, neither files nor the node.
//
// Run makes one check; several at once would measure each other.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ganglion/internal/oip"
)

// Node is what is checked: a *backend.Server whose models are loaded.
type Node interface {
	Infer(ctx context.Context, model, version string, r *oip.InferRequest, out *oip.InferResponse) (release func(), err error)
	ModelMetadata(model, version string) (oip.ModelMetadata, error)
	ModelConfig(model, version string) (*oip.ModelConfig, error)
	Index(onlyReady bool) []oip.IndexEntry
}

// Options say what to check. Start from DefaultOptions.
type Options struct {
	Models string   // folder of the repository, where test data is
	Only   []string // models to check; none is all

	Duration time.Duration // of the measurements of one model version, about; 0 measures nothing
	Budget   time.Duration // that the p99 of a one-row request may take; 0 is any
	Batches  []int64       // rows of a request; none chooses powers of 4 up to the model's batch size
	Clients  []int         // that ask at once

	Tolerance Tolerance
	Runs      int      // that the engine makes at once on a CPU: where more instances cannot help
	Memory    MemoryOf // nil measures none
	Progress  func(done, total int, what string)
}

// Tolerance is how far an answer may be from the expected one.
type Tolerance struct {
	Relative float64 // of the expected number
	Absolute float64
	Accuracy float64 // share of an output's elements that have to be that near
}

// MemoryOf tells how much memory the process has had at most and may have, in bytes; 0 is not known.
type MemoryOf func() (peak, limit int64)

// DefaultOptions are those of the command.
func DefaultOptions() Options {
	return Options{
		Duration: 10 * time.Second, // about a second for each of ten combinations: hundreds of runs of most models
		Clients:  []int{1, 4, 16},  // one, a few more than small machines have cores, and a crowd
		Tolerance: Tolerance{
			Relative: 1e-3, // what ONNX's own runner of test data allows
			Absolute: 1e-5, // float32 sums of a few hundred numbers around 1 differ by this much between machines
			Accuracy: 1,
		},
	}
}

// Report is what a check has found. Its JSON form is for scripts: fields are added, but not renamed.
type Report struct {
	Ready    bool     `json:"ready"`
	Problems []string `json:"problems"` // why not, besides those of models
	Models   []Model  `json:"models"`
	Memory   *Memory  `json:"memory,omitempty"`
}

// Memory is what the process needed. Times and sizes in reports are plain numbers with their unit in the name.
type Memory struct {
	PeakBytes  int64 `json:"peak_bytes"`
	LimitBytes int64 `json:"limit_bytes"` // what the machine or container has
}

// Model is one version of a model.
type Model struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	Ready    bool     `json:"ready"`
	Problems []string `json:"problems"`
	Notes    []string `json:"notes"`

	Tests []Test `json:"tests"`
	Sweep []Cell `json:"sweep"`
	Data  string `json:"data"` // what was measured with: the name of a test, or "zeros"

	Recommended *Recommendation `json:"recommended,omitempty"`
}

// Test is one set of test data.
type Test struct {
	Name    string   `json:"name"`
	Pass    bool     `json:"pass"`
	Problem string   `json:"problem,omitempty"` // why there is no answer to compare
	Outputs []Output `json:"outputs"`
}

// Output is how one output compares.
type Output struct {
	Name     string  `json:"name"`
	Pass     bool    `json:"pass"`
	Accuracy float64 `json:"accuracy"`           // share of elements within the tolerance
	Largest  float64 `json:"largest_difference"` // of those that are numbers
	Problem  string  `json:"problem,omitempty"`  // why the elements cannot be compared
}

// mostMemory is the share of what there is that a node may need at its peak: the rest is for the system and for what two
// loads at once need for a while.
const mostMemory = 0.9

// Run checks the models of a node. The error is ctx's; what is wrong with models is in the report.
func Run(ctx context.Context, node Node, o Options) (*Report, error) {
	r := &Report{Problems: []string{}, Models: []Model{}}
	var wanted []oip.IndexEntry
	for _, entry := range node.Index(false) {
		if o.wants(entry.Name) {
			wanted = append(wanted, entry)
		}
	}
	r.missing(o.Only, wanted)
	if len(wanted) == 0 {
		r.Problems = append(r.Problems, "there is no model to check")
	}
	for i, entry := range wanted {
		if o.Progress != nil {
			o.Progress(i*progressSteps, len(wanted)*progressSteps, entry.Name)
		}
		c := checker{node: node, o: &o, model: Model{Name: entry.Name, Version: entry.Version, Problems: []string{}, Notes: []string{}, Tests: []Test{}, Sweep: []Cell{}}}
		c.progress = func(share float64, what string) {
			if o.Progress != nil {
				o.Progress(i*progressSteps+int(share*progressSteps), len(wanted)*progressSteps, what)
			}
		}
		if err := c.check(ctx, &entry); err != nil {
			return nil, err
		}
		r.Models = append(r.Models, c.model)
	}
	if o.Memory != nil {
		r.weigh(o.Memory())
	}
	r.Ready = len(r.Problems) == 0
	for i := range r.Models {
		r.Ready = r.Ready && r.Models[i].Ready
	}
	return r, nil
}

// progressSteps is how finely progress within a model is told.
const progressSteps = 100

func (o *Options) wants(name string) bool {
	return len(o.Only) == 0 || slices.Contains(o.Only, name)
}

// missing reports models that were asked for and are not there.
func (r *Report) missing(only []string, found []oip.IndexEntry) {
	for _, name := range only {
		there := false
		for i := range found {
			there = there || found[i].Name == name
		}
		if !there {
			r.Problems = append(r.Problems, fmt.Sprintf("there is no model %q", name))
		}
	}
}

// weigh judges the memory.
func (r *Report) weigh(peak, limit int64) {
	if peak == 0 {
		return
	}
	r.Memory = &Memory{peak, limit}
	if limit > 0 && float64(peak) > mostMemory*float64(limit) {
		r.Problems = append(r.Problems, fmt.Sprintf("the node needed %d MiB of the %d MiB that there are", peak>>20, limit>>20))
	}
}

// checker checks one model version.
type checker struct {
	node     Node
	o        *Options
	model    Model
	progress func(share float64, what string)

	meta   oip.ModelMetadata
	config *oip.ModelConfig
}

func (c *checker) problem(format string, args ...any) {
	c.model.Problems = append(c.model.Problems, fmt.Sprintf(format, args...))
}

func (c *checker) note(format string, args ...any) {
	c.model.Notes = append(c.model.Notes, fmt.Sprintf(format, args...))
}

// check fills the model's part of the report.
func (c *checker) check(ctx context.Context, entry *oip.IndexEntry) (err error) {
	m := &c.model
	if entry.State != "READY" {
		c.problem("it does not load: %s", entry.Reason)
		return nil
	}
	c.meta, err = c.node.ModelMetadata(m.Name, m.Version)
	if err == nil {
		c.config, err = c.node.ModelConfig(m.Name, m.Version)
	}
	if err != nil {
		c.problem("it went away while it was checked: %v", err)
		return nil
	}
	cases, problems := c.testData()
	for _, p := range problems {
		c.problem("%s", p)
	}
	for i := range cases {
		m.Tests = append(m.Tests, c.test(ctx, &cases[i]))
		if !m.Tests[i].Pass {
			c.problem("%s", m.Tests[i].why())
		}
	}
	if len(cases) == 0 && len(problems) == 0 {
		c.note("there is no test data: answers were not compared with anything")
	}
	if c.o.Duration > 0 && ctx.Err() == nil {
		c.sweep(ctx, cases)
	}
	m.Ready = len(m.Problems) == 0
	return ctx.Err()
}

// infer makes one inference and hands the answer to read, which may look at it until it returns.
func (c *checker) infer(ctx context.Context, r *oip.InferRequest, read func(*oip.InferResponse)) error {
	var out oip.InferResponse
	release, err := c.node.Infer(ctx, c.model.Name, c.model.Version, r, &out)
	if err != nil {
		return err
	}
	defer release()
	if read != nil {
		read(&out)
	}
	return nil
}

// test asks for one set of test data and compares.
func (c *checker) test(ctx context.Context, one *testCase) Test {
	t := Test{Name: one.name, Pass: true, Outputs: []Output{}}
	r := one.request()
	err := c.infer(ctx, &r, func(out *oip.InferResponse) {
		for i := range one.expected {
			o := compare(&one.expected[i], out, c.o.Tolerance)
			t.Outputs = append(t.Outputs, o)
			t.Pass = t.Pass && o.Pass
		}
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Pass, t.Problem = false, err.Error()
	}
	return t
}

// why says in one line what is wrong with a test.
func (t *Test) why() string {
	if t.Problem != "" {
		return fmt.Sprintf("test %s: no answer: %s", t.Name, t.Problem)
	}
	for _, o := range t.Outputs {
		if o.Problem != "" {
			return fmt.Sprintf("test %s: output %q %s", t.Name, o.Name, o.Problem)
		}
		if !o.Pass {
			return fmt.Sprintf("test %s: output %q is as expected in %.2f %% of its elements, the largest difference is %.3g", t.Name, o.Name, 100*o.Accuracy, o.Largest)
		}
	}
	return ""
}
