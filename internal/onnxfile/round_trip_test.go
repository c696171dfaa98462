package onnxfile

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	s := read(t, encode(t, everything()))
	var inputs []string
	for _, v := range s.Inputs {
		inputs = append(inputs, fmt.Sprintf("%s %s", v.Name, v.Type))
	}
	wantInputs := []string{
		"x float32[batch,4,?]", "scalar int64[]", "any bfloat16[...]", "list sequence(map(int64,float32[]))",
		"perhaps optional(string[2])", "sparse sparse float64[9]",
	}
	if !reflect.DeepEqual(inputs, wantInputs) {
		t.Errorf("inputs are %q, want %q", inputs, wantInputs)
	}
	wantOps := map[string]map[string]int{"": {"Identity": 1}, "com.example": {"Odd": 1}}
	if !reflect.DeepEqual(s.Ops, wantOps) {
		t.Errorf("ops are %v, want %v", s.Ops, wantOps)
	}
	// half, nibbles, outside, f64, flags, one, none, names, long, attribute t
	if want := int64(3 + 3 + 1<<30 + 2 + 4 + 1 + 0 + 2 + 2*aliasFrom + 3); s.Parameters != want {
		t.Errorf("parameters are %d, want %d", s.Parameters, want)
	}
	want := Summary{
		IRVersion: 9, Producer: "test", ModelVersion: 7, Graph: "everything",
		Opsets:   []Opset{{"", 17}, {"ai.onnx.ml", 3}},
		Metadata: []Property{{"classes", "a,b"}, {"empty", ""}},
		Inputs:   s.Inputs, Outputs: []Value{{"y", TensorOf(String, Dynamic("batch"))}},
		Ops: s.Ops, Parameters: s.Parameters, External: []string{"weights.bin"},
		Weights: map[ElementType]Weights{
			Float: {1, 1 << 30, 1 << 32}, Uint8: {1, 8192, 8192}, Int16: {Tensors: 1}, Int32: {1, 1, 4}, String: {1, 2, 0},
			Bool: {1, 4, 4}, Float16: {1, 3, 6}, Double: {1, 2, 16}, Uint64: {1, 3, 24}, Uint4: {1, 3, 2},
		},
	}
	if !reflect.DeepEqual(*s, want) {
		t.Errorf("summary is\n%+v, want\n%+v", *s, want)
	}
}

func TestEveryElementTypeSurvivesAsInputAndOutput(t *testing.T) {
	for e := Float; int(e) < len(elementInfo); e++ {
		m := &Model{Name: "m"}
		m.Input("in", e, Dynamic("n"))
		m.Output("out", e, Fixed(1))
		s := read(t, encode(t, m))
		if s.Inputs[0].Type.Elem != e || s.Outputs[0].Type.Elem != e || strings.HasPrefix(e.String(), "type") {
			t.Errorf("%s came back as %s and %s", e, s.Inputs[0].Type, s.Outputs[0].Type)
		}
	}
}

func TestInputsWithAnInitializerAreLeftOut(t *testing.T) {
	m := &Model{Name: "m"}
	m.Input("x", Float)
	m.Input("w", Float, Fixed(1))
	m.Initializer(NewData("w", []float32{1}, 1))
	s := read(t, encode(t, m))
	if len(s.Inputs) != 1 || s.Inputs[0].Name != "x" {
		t.Errorf("inputs are %v, want x alone", s.Inputs)
	}
}

func TestWriterRefusesDataThatDisagreesWithItsShape(t *testing.T) {
	f := func(d Data, want string) {
		t.Helper()
		for _, m := range []*Model{
			{Name: "m", Initializers: []Data{d}},
			{Name: "m", Nodes: []Node{{Op: "Constant", Name: "c", Attrs: []Attr{TensorAttr("value", d)}}}},
		} {
			_, err := m.Bytes()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: error is %v, want %q in it", d, err, want)
			}
		}
	}
	f(NewData("w", []float32{1, 2}, 3), "has 8 bytes, its shape [3] of float32 needs 12")
	f(NewData("w", []float32{1, 2}), "has 8 bytes, its shape [] of float32 needs 4")
	f(NewStrings("w", []string{"a"}, 2), "has 1 strings, its shape [2] needs 2")
	f(Data{Name: "w", Elem: Float, Dims: []int64{-1}}, "has a dimension of -1")
	f(Data{Name: "w", Elem: Double, Dims: []int64{math.MaxInt64}}, "of float64 needs 0")
	f(Data{Name: "w", Elem: Float, Dims: []int64{math.MaxInt64, 3}}, "more than 9223372036854775807 elements")
	f(Data{Name: "w", Elem: 99, Dims: []int64{1}, Raw: []byte{1}}, "type99: it cannot hold values")
	f(Data{Name: "w", Elem: Int8, Dims: []int64{1}, Strings: []string{"a"}}, "has strings, but element type int8")
	f(Data{Name: "w", Elem: Float, Raw: []byte{1}, External: []Property{{"location", "x"}}}, "one of them is accepted")
}

func TestWriteFileLeavesNothingBehindWhenItFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.onnx")
	m := &Model{Name: "m", Initializers: []Data{{Name: "w", Elem: Float, Dims: []int64{1}}}}
	if err := m.WriteFile(path); err == nil {
		t.Fatal("a tensor without its data was written")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("stat after a failed write: %v, want not exist", err)
	}
	if err := everything().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err != nil {
		t.Error(err)
	}
}
