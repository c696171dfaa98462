package onnx

import (
	"path/filepath"
	"testing"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
)

// TestAssigned: every operator is somewhere, and the domains are told apart.
func TestAssigned(t *testing.T) {
	e := start(t, Config{Device: "cpu"})
	found, err := e.Assigned(filepath.Join(onnxtest.Root(t), "models", "iris", "1", "model.onnx"), backend.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]int{}
	for _, a := range found {
		if a.Provider != "CPUExecutionProvider" {
			t.Errorf("%+v is not on the CPU", a)
		}
		nodes[a.Domain+"."+a.Operator] += a.Nodes
	}
	if nodes[".Gemm"] == 0 || nodes["ai.onnx.ml.LabelEncoder"] != 1 {
		t.Errorf("got %v, want Gemm and ai.onnx.ml.LabelEncoder among them", nodes)
	}
	if _, err := e.Assigned(filepath.Join(t.TempDir(), "none.onnx"), backend.ModelOptions{}); err == nil {
		t.Error("a file that is not there has been loaded")
	}
}
