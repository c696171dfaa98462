package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// testCase is a request and what should come back.
type testCase struct {
	name     string
	inputs   []oip.Tensor
	outputs  []oip.RequestedOutput
	expected []oip.Tensor
}

// request is a fresh request: the node may put its inputs into another order.
func (t *testCase) request() oip.InferRequest {
	return oip.InferRequest{Inputs: slices.Clone(t.inputs), Outputs: slices.Clone(t.outputs)}
}

// largestFile bounds a file of test data: more than any request may have.
const largestFile = 1 << 30

// testData reads what lies beside the model: test_data_set_N folders, as ONNX's tests have them, in the model's folder or
// that of the version, and pairs of NAME.request.json and NAME.response.json in the folder test.
func (c *checker) testData() (cases []testCase, problems []string) {
	model := filepath.Join(c.o.Models, c.model.Name)
	for _, folder := range []string{model, filepath.Join(model, c.model.Version)} {
		sets, err := filepath.Glob(filepath.Join(escapeGlob(folder), "test_data_set_*"))
		if err != nil { // only for a pattern that is none
			return cases, append(problems, err.Error())
		}
		for _, set := range sets {
			one, err := c.vectors(set)
			cases, problems = collect(cases, problems, c.relative(set), one, err)
		}
	}
	requests, err := filepath.Glob(filepath.Join(escapeGlob(model), "test", "*"+requestSuffix))
	if err != nil {
		return cases, append(problems, err.Error())
	}
	for _, file := range requests {
		one, err := c.pair(file)
		cases, problems = collect(cases, problems, c.relative(file), one, err)
	}
	return cases, problems
}

func collect(cases []testCase, problems []string, name string, one testCase, err error) ([]testCase, []string) {
	if err != nil {
		return cases, append(problems, fmt.Sprintf("test %s: %v", name, err))
	}
	one.name = name
	return append(cases, one), problems
}

// relative is a path as the repository has it.
func (c *checker) relative(path string) string {
	if relative, err := filepath.Rel(c.o.Models, path); err == nil {
		return relative
	}
	return path
}

// escapeGlob keeps what a folder's name has in common with a pattern from being one.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// vectors reads a test_data_set_N: input_0.pb and so on, in the order of the model's inputs, and outputs likewise.
func (c *checker) vectors(folder string) (t testCase, err error) {
	if t.inputs, err = readVectors(folder, "input", c.meta.Inputs); err != nil {
		return t, err
	}
	if t.expected, err = readVectors(folder, "output", c.meta.Outputs); err != nil {
		return t, err
	}
	if len(t.expected) == 0 {
		return t, errors.New("it has no output_0.pb")
	}
	for _, e := range t.expected {
		t.outputs = append(t.outputs, oip.RequestedOutput{Name: e.Name})
	}
	return t, nil
}

// readVectors reads the tensors of one kind. One whose name is none of the model's is the one in its place.
func readVectors(folder, kind string, known []oip.TensorMetadata) (tensors []oip.Tensor, err error) {
	for i := range known {
		file := kind + "_" + strconv.Itoa(i) + ".pb"
		content, err := readBounded(filepath.Join(folder, file))
		if errors.Is(err, fs.ErrNotExist) {
			break // later inputs may have defaults, and not all outputs need be known
		}
		if err != nil {
			return nil, err
		}
		data, err := onnxfile.ReadTensor(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		t, err := tensorOf(&data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		t.Name = known[i].Name
		if slices.ContainsFunc(known, func(m oip.TensorMetadata) bool { return m.Name == data.Name }) {
			t.Name = data.Name
		}
		tensors = append(tensors, t)
	}
	return tensors, nil
}

// tensorOf is a tensor of a file as the protocol has it.
func tensorOf(d *onnxfile.Data) (t oip.Tensor, err error) {
	datatypes := map[onnxfile.ElementType]oip.Datatype{
		onnxfile.Float: oip.FP32, onnxfile.Double: oip.FP64, onnxfile.Float16: oip.FP16, onnxfile.BFloat16: oip.BF16, onnxfile.Bool: oip.Bool,
		onnxfile.Int8: oip.Int8, onnxfile.Int16: oip.Int16, onnxfile.Int32: oip.Int32, onnxfile.Int64: oip.Int64,
		onnxfile.Uint8: oip.Uint8, onnxfile.Uint16: oip.Uint16, onnxfile.Uint32: oip.Uint32, onnxfile.Uint64: oip.Uint64, onnxfile.String: oip.Bytes,
	}
	datatype, ok := datatypes[d.Elem]
	if !ok {
		return t, fmt.Errorf("the protocol has no datatype for %s", d.Elem)
	}
	t = oip.Tensor{Name: d.Name, Datatype: datatype, Shape: append([]int64{}, d.Dims...), Data: d.Raw}
	for _, s := range d.Strings {
		t.Data = oip.AppendBytesElement(t.Data, s)
	}
	return t, t.Validate()
}

// The names of a request and of the answer to it.
const (
	requestSuffix  = ".request.json"
	responseSuffix = ".response.json"
)

// pair reads a request and the answer to it, as clients send and get them in JSON.
func (c *checker) pair(file string) (t testCase, err error) {
	content, err := readBounded(file)
	if err != nil {
		return t, err
	}
	limits := oip.DefaultLimits()
	limits.DecodedBytes, limits.Elements = largestFile, largestFile
	var request oip.InferRequest
	if err := request.Decode(content, oip.NoHeaderLength, limits); err != nil {
		return t, err
	}
	other := strings.TrimSuffix(file, requestSuffix) + responseSuffix
	if content, err = readBounded(other); err != nil {
		return t, err
	}
	var response oip.InferResponse
	if err := response.Decode(content, oip.NoHeaderLength, limits); err != nil {
		return t, fmt.Errorf("%s: %w", filepath.Base(other), err)
	}
	t.inputs, t.outputs = request.Inputs, request.Outputs
	for i := range response.Outputs {
		t.expected = append(t.expected, response.Outputs[i].Tensor)
	}
	if len(t.expected) == 0 {
		return t, fmt.Errorf("%s has no outputs", filepath.Base(other))
	}
	return t, nil
}

// readBounded reads a file of test data.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, bare(err)
	}
	if !info.Mode().IsRegular() || info.Size() > largestFile {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", filepath.Base(path), int64(largestFile))
	}
	content, err := os.ReadFile(path)
	return content, bare(err)
}

// bare takes the folders out of a file error.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", filepath.Base(p.Path), p.Err)
	}
	return err
}
