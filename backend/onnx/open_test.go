package onnx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/onnxfile"
)

// TestRefusedModels: what the protocol cannot carry is refused at load, with the reason.
func TestRefusedModels(t *testing.T) {
	e := start(t, Config{})
	floats := onnxfile.TensorOf(onnxfile.Float, onnxfile.Dynamic("n"))

	sequenceOut := onnxtest.Identity(onnxfile.Float, onnxfile.Dynamic("n"))
	sequenceOut.Outputs[0].Type = onnxfile.Type{Kind: onnxfile.Sequence, Of: &floats}
	sequenceOut.Nodes = nil
	sequenceOut.Node("SequenceConstruct", "x", "y")

	sequenceIn := onnxtest.Identity(onnxfile.Float, onnxfile.Dynamic("n"))
	sequenceIn.Inputs[0].Type = onnxfile.Type{Kind: onnxfile.Sequence, Of: &floats}
	sequenceIn.Nodes = nil
	sequenceIn.Node("ConcatFromSequence", "x", "y", onnxfile.Int("axis", 0))

	optionalOut := onnxtest.Identity(onnxfile.Float, onnxfile.Dynamic("n"))
	optionalOut.Opsets = []onnxfile.Opset{{Version: 15}}
	optionalOut.Outputs[0].Type = onnxfile.Type{Kind: onnxfile.Optional, Of: &floats}
	optionalOut.Nodes = nil
	optionalOut.Node("Optional", "x", "y")

	const domain = "ai.onnx.ml"
	scores := onnxfile.TensorOf(onnxfile.Float)
	byName := onnxfile.Type{Kind: onnxfile.Map, Elem: onnxfile.String, Of: &scores}
	mapsOut := onnxtest.Identity(onnxfile.Float, onnxfile.Dynamic("n"), onnxfile.Fixed(2)) // as scikit-learn's exporter does it
	mapsOut.Opsets = []onnxfile.Opset{{Version: 13}, {Domain: domain, Version: 2}}
	mapsOut.Outputs[0].Type = onnxfile.Type{Kind: onnxfile.Sequence, Of: &byName}
	mapsOut.Nodes = []onnxfile.Node{{
		Op: "ZipMap", Domain: domain, Inputs: []string{"x"}, Outputs: []string{"y"},
		Attrs: []onnxfile.Attr{onnxfile.Strs("classlabels_strings", "a", "b")},
	}}

	mapIn := onnxtest.Identity(onnxfile.Float, onnxfile.Fixed(1), onnxfile.Fixed(2))
	mapIn.Opsets = mapsOut.Opsets
	mapIn.Inputs[0].Type = byName
	mapIn.Nodes = []onnxfile.Node{{
		Op: "DictVectorizer", Domain: domain, Inputs: []string{"x"}, Outputs: []string{"y"},
		Attrs: []onnxfile.Attr{onnxfile.Strs("string_vocabulary", "a", "b")},
	}}

	unranked := onnxtest.Identity(onnxfile.Float)
	unranked.Inputs[0].Type.Unranked = true

	tests := []struct {
		name  string
		model *onnxfile.Model
		want  string
	}{
		{"sequence output", sequenceOut, `output "y" is a sequence: only tensors can be served`},
		{"sequence input", sequenceIn, `input "x" is a sequence: only tensors can be served`},
		{"optional output", optionalOut, `output "y" is an optional value: only tensors can be served`},
		{"maps output", mapsOut, `output "y" is a sequence: only tensors can be served`},
		{"map input", mapIn, `input "x" is a map: only tensors can be served`},
		{"no rank", unranked, `input "x" does not say how many dimensions it has`},
		{"complex", onnxtest.Identity(onnxfile.Complex64, onnxfile.Fixed(1)), ""}, // the runtime has no operator for it
		{"deep", onnxtest.Identity(onnxfile.Float, make([]onnxfile.Dim, 9)...), `input "x" has 9 dimensions: at most 8 can be served`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := e.Open(onnxtest.Write(t, test.model), backend.ModelOptions{MaxOutput: testLimit})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line that says %q", err, test.want)
			}
		})
	}
	if n := e.models.Load(); n != 0 {
		t.Errorf("%d models count as open", n)
	}
}

// TestBrokenFiles: nothing in a file harms more than its own loading.
func TestBrokenFiles(t *testing.T) {
	e := start(t, Config{})
	whole, err := os.ReadFile(onnxtest.Write(t, onnxtest.Sum()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"empty": nil, "text": []byte("this is no model\n"), "half": whole[:len(whole)/2]}
	for name, content := range files {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.onnx")
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Open(path, backend.ModelOptions{}); err == nil {
				t.Error("it was opened")
			}
		})
	}
	if _, err := e.Open(filepath.Join(t.TempDir(), "none.onnx"), backend.ModelOptions{}); err == nil {
		t.Error("a missing file was opened")
	}
}

// TestDescribe: names, shapes and axes come from the live session.
func TestDescribe(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, filepath.Join(onnxtest.Root(t), "models", "language_id", "1", "model.onnx"), testLimit)
	in := m.Inputs()[0]
	if in.Name != "bytes" || in.Datatype.String() != "UINT8" || len(in.Shape) != 2 || in.Shape[0] != -1 || in.Shape[1] != -1 || in.Axes[0] != "batch" {
		t.Errorf("got input %+v", in)
	}
	unranked := onnxtest.Identity(onnxfile.Float, onnxtest.Batch())
	unranked.Nodes = nil
	unranked.Outputs[0].Type = onnxfile.Type{Kind: onnxfile.Tensor, Elem: onnxfile.Float, Unranked: true}
	unranked.Input("size", onnxfile.Int64, onnxfile.Dynamic("rank"))
	unranked.Node("Expand", "x size", "y")
	m = load(t, e, onnxtest.Write(t, unranked), testLimit)
	if out := m.Outputs()[0]; len(out.Shape) != 1 || out.Shape[0] != -1 {
		t.Errorf("an output without a rank has shape %v, want [-1]", out.Shape)
	}
	got := infer(t, m, zeros("x", 1), size(2, 3))
	if len(got[0].Shape) != 2 || got[0].Shape[1] != 3 {
		t.Errorf("got shape %v, want [2 3]", got[0].Shape)
	}
}

// TestSessionHandle: the binding's struct is as handleOf expects.
func TestSessionHandle(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
	if handle, err := handleOf(m.sessions[0].ort); err != nil || handle == nil {
		t.Errorf("got %v, %v", handle, err)
	}
}
