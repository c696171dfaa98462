package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// testCase is one model with its test vectors.
type testCase struct {
	name, dir       string
	inputs, outputs []onnxfile.Value // of the model, in its order
}

// findCases lists the models below data/<kind>/<name>/model.onnx.
func findCases(data string) ([]*testCase, error) {
	files, err := filepath.Glob(filepath.Join(data, "*", "*", "model.onnx"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no test vectors in %s: make conformance fetches them", data)
	}
	slices.Sort(files)
	seen := map[string]bool{}
	var all []*testCase
	for _, file := range files {
		dir := filepath.Dir(file)
		summary, err := onnxfile.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c := &testCase{name: filepath.Base(dir), dir: dir, inputs: summary.Inputs, outputs: summary.Outputs}
		if seen[c.name] {
			c.name = filepath.Base(filepath.Dir(dir)) + "." + c.name
		}
		seen[c.name] = true
		all = append(all, c)
	}
	return all, nil
}

// install copies the model into a repository.
func (c *testCase) install(models string) error {
	version := filepath.Join(models, c.name, "1")
	if err := os.MkdirAll(version, 0o755); err != nil {
		return err
	}
	file, err := os.ReadFile(filepath.Join(c.dir, "model.onnx"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(version, "model.onnx"), file, 0o644)
}

// ask sends every data set in both forms and compares the answers.
func (c *testCase) ask(ctx context.Context, n *node) (verdict, string) {
	sets, err := filepath.Glob(filepath.Join(c.dir, "test_data_set_*"))
	if err != nil || len(sets) == 0 {
		return broken, "it has no test vectors"
	}
	for _, set := range sets {
		inputs, err := readTensors(set, "input", c.inputs)
		if err != nil {
			return broken, "input: " + err.Error()
		}
		want, err := readTensors(set, "output", c.outputs)
		if err != nil {
			return broken, "output: " + err.Error()
		}
		for _, binary := range []bool{true, false} {
			if v, reason := c.exchange(ctx, n, inputs, want, binary); v != matches {
				return v, reason
			}
		}
	}
	return matches, ""
}

// exchange sends one request and compares the answer.
func (c *testCase) exchange(ctx context.Context, n *node, inputs, want []oip.Tensor, binary bool) (verdict, string) {
	form := "JSON: "
	if binary {
		form = "binary: "
	}
	request := oip.InferRequest{Inputs: inputs, BinaryInputs: binary}
	for _, t := range want {
		// JSON has neither 16 bit floats nor infinities: those go as binary data in either round.
		request.BinaryInputs = request.BinaryInputs || slices.ContainsFunc(inputs, needsBinary)
		request.Outputs = append(request.Outputs, oip.RequestedOutput{Name: t.Name, Binary: binary || needsBinary(t)})
	}
	answer, err := n.infer(ctx, c.name, &request)
	var refusal *refusedError
	switch {
	case errors.As(err, &refusal):
		return refused, form + refusal.Error()
	case err != nil:
		return broken, form + err.Error()
	case len(answer.Outputs) != len(want):
		return differs, fmt.Sprintf("%s%d outputs, want %d", form, len(answer.Outputs), len(want))
	}
	for i, t := range want {
		if err := compare(answer.Outputs[i].Tensor, t); err != nil {
			return differs, form + err.Error()
		}
	}
	return matches, ""
}

// readTensors reads input_0.pb, input_1.pb and so on, which stand for the model's values in their order.
func readTensors(dir, kind string, values []onnxfile.Value) ([]oip.Tensor, error) {
	var all []oip.Tensor
	for i := 0; ; i++ {
		b, err := os.ReadFile(filepath.Join(dir, kind+"_"+strconv.Itoa(i)+".pb"))
		if errors.Is(err, os.ErrNotExist) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if i >= len(values) {
			return nil, fmt.Errorf("more %ss than the %d of the model", kind, len(values))
		}
		d, err := onnxfile.ReadTensor(b)
		if err != nil {
			return nil, err
		}
		if d.Elem == onnxfile.Uint16 && values[i].Type.Elem == onnxfile.BFloat16 {
			d.Elem = onnxfile.BFloat16 // numpy has no such type, and who wrote the vectors let it go at that
		}
		t, err := tensorOf(values[i].Name, d)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
}

// tensorOf is a test vector as the protocol has it.
func tensorOf(name string, d onnxfile.Data) (oip.Tensor, error) {
	datatype, found := datatypes[d.Elem]
	if !found {
		return oip.Tensor{}, fmt.Errorf("%q is of %s, which the protocol does not have", name, d.Elem)
	}
	t := oip.Tensor{Name: name, Datatype: datatype, Shape: append([]int64{}, d.Dims...), Data: d.Raw}
	for _, s := range d.Strings {
		t.Data = oip.AppendBytesElement(t.Data, strings.Clone(s))
	}
	return t, nil
}

var datatypes = map[onnxfile.ElementType]oip.Datatype{
	onnxfile.Bool: oip.Bool, onnxfile.Uint8: oip.Uint8, onnxfile.Uint16: oip.Uint16, onnxfile.Uint32: oip.Uint32, onnxfile.Uint64: oip.Uint64,
	onnxfile.Int8: oip.Int8, onnxfile.Int16: oip.Int16, onnxfile.Int32: oip.Int32, onnxfile.Int64: oip.Int64,
	onnxfile.Float16: oip.FP16, onnxfile.BFloat16: oip.BF16, onnxfile.Float: oip.FP32, onnxfile.Double: oip.FP64, onnxfile.String: oip.Bytes,
}
