package inspect_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ganglion/backend/inspect"
	"ganglion/internal/onnxfile"
)

// sample is a model with one of everything that a report tells of.
func sample() *onnxfile.Model {
	m := &onnxfile.Model{Name: "graph", Producer: "somebody", Opsets: []onnxfile.Opset{{Version: 17}, {Domain: "com.example", Version: 1}}}
	m.Metadata = []onnxfile.Property{{Key: "note", Value: "red \x1b[31m text"}}
	m.Input("ids", onnxfile.Int64, onnxfile.Dynamic("batch"), onnxfile.Dynamic("length"))
	m.Input("scale", onnxfile.Float)
	m.Output("y", onnxfile.Float, onnxfile.Dynamic("batch"), onnxfile.Dynamic(""), onnxfile.Fixed(3))
	m.Initializer(onnxfile.NewData("w", make([]float32, 1500), 1500))
	m.Initializer(onnxfile.Data{Name: "far", Elem: onnxfile.Float16, Dims: []int64{1000, 1000}, External: []onnxfile.Property{{Key: "location", Value: "weights.bin"}}})
	m.Initializer(onnxfile.Data{Name: "away", Elem: onnxfile.Int8, Dims: []int64{1}, External: []onnxfile.Property{{Key: "location", Value: "../x"}}})
	m.Node("Gather", "w ids", "a")
	m.Node("Mul", "a scale", "b")
	m.Node("Mul", "b b", "c")
	m.Nodes = append(m.Nodes, onnxfile.Node{Op: "Odd", Domain: "com.example", Inputs: []string{"c"}, Outputs: []string{"y"}})
	return m
}

func writeModel(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := sample().WriteFile(path); err != nil {
		t.Fatal(err)
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	writeModel(t, path)
	if err := os.WriteFile(filepath.Join(dir, "weights.bin"), make([]byte, 2048), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := inspect.File(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
		}
	}
	check("opsets", r.Opsets, []inspect.Opset{{Domain: "ai.onnx", Version: 17}, {Domain: "com.example", Version: 1}})
	check("inputs", r.Inputs, []inspect.Tensor{
		{Name: "ids", Type: "int64[batch,length]", Kind: "tensor", Shape: []any{"batch", "length"}},
		{Name: "scale", Type: "float32[]", Kind: "tensor", Shape: []any{}},
	})
	check("outputs", r.Outputs, []inspect.Tensor{{Name: "y", Type: "float32[batch,?,3]", Kind: "tensor", Shape: []any{"batch", "?", int64(3)}}})
	check("dimensions", r.Dimensions, []inspect.Dimension{{Name: "batch", At: []string{"ids[0]", "y[0]"}}, {Name: "length", At: []string{"ids[1]"}}})
	check("operators", r.Operators, []inspect.Operator{{"ai.onnx", "Mul", 2}, {"ai.onnx", "Gather", 1}, {"com.example", "Odd", 1}})
	check("weights", r.Weights, []inspect.Weights{{"float32", 1, 1500, 6000}, {"int8", 1, 1, 1}, {"float16", 1, 1_000_000, 2_000_000}})
	check("parameters", r.Parameters, int64(1_001_501))
	check("external", r.External, []inspect.External{
		{Location: "weights.bin", Bytes: 2048}, {Location: "../x", Problem: "leads out of the model's folder"},
	})
}

// TestText: what people read, with nothing in it that a terminal would obey.
func TestText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.onnx")
	writeModel(t, path)
	r, err := inspect.File(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Engine = &inspect.Engine{Name: "engine", Version: "1", Device: "cuda:0"}
	gpu, cpu := inspect.Coverage{Provider: "GPU"}, inspect.Coverage{Provider: "CPU"}
	gpu.Add("", "Mul", 3)
	cpu.Add("com.example", "Odd", 1)
	r.Engine.Coverage = []inspect.Coverage{gpu, cpu}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"IR 8, opsets ai.onnx 17, com.example 1", `"red \x1b[31m text"`, "ids    int64[batch,length]", "batch   ids[0] y[0]", "parameters: 1,001,501",
		"float16  1,000,000  1.9 MiB    1 tensor", "weights.bin  NOT USABLE: it is missing", "operators: 4 nodes of 3 kinds", "com.example.Odd  1",
		"GPU  3 nodes  75 %", "CPU              1 node  25 %",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("the text lacks %q:\n%s", want, &text)
		}
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Errorf("the text holds an escape:\n%q", text.String())
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// TestFind: whatever somebody is likely to type.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{"a/1/model.onnx", "a/10/model.onnx", "a/9/model.onnx", "b/1/net.onnx", "c/1/model.onnx/model.onnx"} {
		writeModel(t, filepath.Join(dir, file))
	}
	for file, content := range map[string]string{"b/config.pbtxt": `default_model_filename: "net.onnx"`, "empty/config.toml": ""} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for what, want := range map[string]string{
		"a": "a/10/model.onnx", "b": "b/1/net.onnx", "c": "c/1/model.onnx/model.onnx",
		filepath.Join(dir, "a"): "a/10/model.onnx", filepath.Join(dir, "a", "9"): "a/9/model.onnx",
		filepath.Join(dir, "b", "1"): "b/1/net.onnx", filepath.Join(dir, "b", "1", "net.onnx"): "b/1/net.onnx",
	} {
		got, err := inspect.Find(dir, what)
		if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: got %q, %v, want %s", what, got, err, want)
		}
	}
	for what, want := range map[string]string{
		"none":                       "no model of that name",
		filepath.Join(dir, "x", "y"): "there is neither a file nor a folder",
		"empty":                      "there is no model.onnx in",
	} {
		if _, err := inspect.Find(dir, what); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
}
