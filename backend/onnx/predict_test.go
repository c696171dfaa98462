package onnx

import (
	"slices"
	"testing"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

func spec(d oip.Datatype, shape []int64, axes ...string) backend.Spec {
	return backend.Spec{TensorMetadata: oip.TensorMetadata{Datatype: d, Shape: shape}, Axes: axes}
}

// TestPredict: what an output's shape can be told from.
func TestPredict(t *testing.T) {
	inputs := []backend.Spec{
		spec(oip.FP32, []int64{-1, 3, -1}, "batch", "", "width"),
		spec(oip.FP32, []int64{-1, -1}, "", "length"),
	}
	given := []*oip.Tensor{{Shape: []int64{7, 3, 9}}, {Shape: []int64{7, 11}}}
	tests := []struct {
		name   string
		output backend.Spec
		want   []int64 // nil: cannot be told
	}{
		{"fixed", spec(oip.FP32, []int64{2, 5}, "", ""), []int64{2, 5}},
		{"scalar", spec(oip.FP32, []int64{}), []int64{}},
		{"names", spec(oip.FP32, []int64{-1, -1, -1}, "length", "batch", "width"), []int64{11, 7, 9}},
		{"nameless first dimension is the batch", spec(oip.FP32, []int64{-1, 5}, "", ""), []int64{7, 5}},
		{"nameless other dimension", spec(oip.FP32, []int64{2, -1}, "", ""), nil},
		{"a name no input has", spec(oip.FP32, []int64{-1}, "found"), nil},
		{"strings", spec(oip.Bytes, []int64{-1}, "batch"), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := predict(inputs, test.output, true)
			if (p == nil) != (test.want == nil) {
				t.Fatalf("predicted %v, want shape %v", p, test.want)
			}
			if p != nil && !slices.Equal(p.shape(nil, given), test.want) {
				t.Errorf("got shape %v, want %v", p.shape(nil, given), test.want)
			}
		})
	}
	if p := predict(inputs, spec(oip.FP32, []int64{-1}, ""), false); p != nil {
		t.Error("predicted a shape for an output without a rank")
	}
}

// TestWrongPrediction: a file that gives an output an axis it does not have costs its first run a second go, no answer.
func TestWrongPrediction(t *testing.T) {
	e := start(t, Config{})
	def := onnxtest.Identity(onnxfile.Float, onnxfile.Dynamic("n")) // claims that y is as long as x
	def.Nodes = nil
	def.Node("Concat", "x x", "y", onnxfile.Int("axis", 0))
	m := load(t, e, onnxtest.Write(t, def), testLimit)
	for range 3 {
		got := infer(t, m, tensor("x", oip.FP32, []int64{2}, []float32{1, 2}...))
		wantSame(t, got[0], tensor("y", oip.FP32, []int64{4}, []float32{1, 2, 1, 2}...))
	}
	if !m.predictions[0].wrong.Load() {
		t.Error("the wrong prediction is still used")
	}
}

// TestSizesThatBroadcast: axes of one name may have different sizes as long as the model works with them.
func TestSizesThatBroadcast(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
	for range 2 {
		got := infer(t, m, tensor("a", oip.FP32, []int64{1, 2}, []float32{1, 2}...), tensor("b", oip.FP32, []int64{2, 2}, []float32{10, 20, 30, 40}...))
		wantSame(t, got[0], tensor("y", oip.FP32, []int64{2, 2}, []float32{11, 22, 31, 42}...))
	}
}
