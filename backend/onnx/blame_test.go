package onnx

import (
	"errors"
	"strings"
	"testing"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// zeros makes a float32 tensor of zeros.
func zeros(name string, shape ...int64) oip.Tensor {
	count, err := oip.ElementCount(shape)
	if err != nil {
		panic(err)
	}
	return oip.Tensor{Name: name, Datatype: oip.FP32, Shape: shape, Data: make([]byte, 4*count)}
}

// TestInputsAtFault: inputs that a model does not take are the client's fault, and the message leads nowhere else.
func TestInputsAtFault(t *testing.T) {
	e := start(t, Config{})
	sum := load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
	fixed := load(t, e, onnxtest.Write(t, onnxtest.Identity(onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(4))), testLimit)
	tests := []struct {
		name   string
		model  *model
		inputs []oip.Tensor
		want   string
	}{
		{"missing", sum, []oip.Tensor{zeros("a", 1, 1)}, `input "b" is missing`},
		{"datatype", fixed, []oip.Tensor{tensor("x", oip.FP64, []int64{1, 4}, make([]float64, 4)...)}, `input "x" is FP64 with 2 dimensions, the model takes FP32 with 2`},
		{"rank", fixed, []oip.Tensor{zeros("x", 4)}, `input "x" is FP32 with 1 dimensions`},
		{"size", fixed, []oip.Tensor{zeros("x", 2, 5)}, "index: 1 Got: 5 Expected: 4"},
		{"data", fixed, []oip.Tensor{{Name: "x", Datatype: oip.FP32, Shape: []int64{1, 4}, Data: make([]byte, 15)}}, `tensor "x" holds 15 bytes`},
		{"axes", sum, []oip.Tensor{zeros("a", 2, 3), zeros("b", 2, 4)}, `input "b" has size 4 in dimension 1 ("n"), but input "a" has 3 in dimension 1`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.model.Run(t.Context(), test.inputs, nil)
			wantClientError(t, err, test.want)
		})
	}
	_, err := fixed.Run(t.Context(), []oip.Tensor{zeros("x", 1, 4)}, []string{"z"})
	wantClientError(t, err, `the model has no output "z"`)
}

// TestOperatorFailure: an operator that fails in a model that works is failed by its inputs; in a model that has never
// worked, nobody knows.
func TestOperatorFailure(t *testing.T) {
	e := start(t, Config{})
	def := &onnxfile.Model{Name: "product"}
	def.Input("a", onnxfile.Float, onnxfile.Dynamic(""), onnxfile.Dynamic(""))
	def.Input("b", onnxfile.Float, onnxfile.Dynamic(""), onnxfile.Dynamic(""))
	def.Output("y", onnxfile.Float, onnxfile.Dynamic("rows"), onnxfile.Dynamic("columns"))
	def.Node("MatMul", "a b", "y")
	m := load(t, e, onnxtest.Write(t, def), testLimit)

	bad := []oip.Tensor{zeros("a", 2, 3), zeros("b", 4, 5)}
	_, err := m.Run(t.Context(), bad, nil)
	var refusal *oip.Error
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("before any success: got %v, want an error that is not the client's", err)
	}
	infer(t, m, zeros("a", 2, 3), zeros("b", 3, 5))
	_, err = m.Run(t.Context(), bad, nil)
	wantClientError(t, err, "MatMul dimension mismatch")
	if errors.As(err, &refusal) && strings.Contains(refusal.Msg, "/") {
		t.Errorf("the client is told of a path: %s", refusal.Msg)
	}
}

// TestPlain: the runtime's messages without where in its source they come from.
func TestPlain(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := plain(text); got != want {
			t.Errorf("plain(%q)\n got %q\nwant %q", text, got, want)
		}
	}
	f("Depth is negative.", "Depth is negative.")
	f("/src/core/padbase.h:122 static void ns::Pad(Ctx&, size_t) [with Ctx = ns::Ctx] data.size() == 2 * rank was false. Pads are wrong (2).", "Pads are wrong (2).")
	f("Load model from m/1/model.onnx failed:/src/core/model.cc:256 ns::Model::Model(ns::Proto&&, const std::vector<int>&) Unsupported model IR version: 999 (a.b)",
		"Load model from m/1/model.onnx failed:Unsupported model IR version: 999 (a.b)")
	f("safeint.h:17 static void Handler<ns::Exception>::OnOverflow() Integer overflow", "Integer overflow")
	f("element_wise_ops.cc:703 Compute Integer division by zero", "Compute Integer division by zero")
	f("init.cc:51 ns::Init(const ns::P&) [E] : 1 : FAIL : utils.cc:22 Get External: w (in /opt/models/w.bin) is short", "[E] : 1 : FAIL : Get External: w (in /opt/models/w.bin) is short")
	f("a.h:1 ns::broken(", "ns::broken(")
	f("", "")
}
