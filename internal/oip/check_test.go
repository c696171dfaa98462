package oip

import (
	"fmt"
	"testing"
)

func TestCheckRequest(t *testing.T) {
	inputs := []TensorMetadata{{"a", FP32, []int64{-1, 4}}, {"b", Int64, []int64{}}}
	outputs := []TensorMetadata{{"y", FP32, []int64{-1, 3}}, {"z", Bytes, []int64{-1}}}
	a := Tensor{Name: "a", Datatype: FP32, Shape: []int64{7, 4}}
	b := Tensor{Name: "b", Datatype: Int64}
	for _, good := range []InferRequest{
		{Inputs: []Tensor{a, b}},
		{Inputs: []Tensor{b, a}, Outputs: []RequestedOutput{{Name: "z"}, {Name: "y", Binary: true}}},
		{Inputs: []Tensor{b, {Name: "a", Datatype: FP32, Shape: []int64{0, 4}}}},
	} {
		if err := CheckRequest("m", inputs, outputs, &good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	named := func(t Tensor, name string) Tensor { t.Name = name; return t }
	typed := func(t Tensor, d Datatype) Tensor { t.Datatype = d; return t }
	shaped := func(t Tensor, shape ...int64) Tensor { t.Shape = shape; return t }
	for _, c := range []struct {
		r    InferRequest
		want string
	}{
		{InferRequest{}, `input "a" for model "m" is missing, expected FP32 of shape [-1,4]; the model takes 2 inputs, got 0`},
		{InferRequest{Inputs: []Tensor{a}}, `input "b" for model "m" is missing, expected INT64 of shape []; the model takes 2 inputs, got 1`},
		{InferRequest{Inputs: []Tensor{a, b, named(b, "c")}}, `unexpected input "c" for model "m", expected "a", "b"`},
		{InferRequest{Inputs: []Tensor{named(a, "A"), b}}, `unexpected input "A" for model "m", expected "a", "b"`},
		{InferRequest{Inputs: []Tensor{a, a}}, `input "a" for model "m" comes twice`},
		{InferRequest{Inputs: []Tensor{a, b, b}}, `input "b" for model "m" comes twice`},
		{InferRequest{Inputs: []Tensor{typed(a, FP64), b}}, `input "a" for model "m" has datatype FP64, expected FP32`},
		{InferRequest{Inputs: []Tensor{shaped(a, 1, 5), b}}, `input "a" for model "m" has shape [1,5], expected [-1,4]`},
		{InferRequest{Inputs: []Tensor{shaped(a, 4), b}}, `input "a" for model "m" has shape [4], expected [-1,4]`},
		{InferRequest{Inputs: []Tensor{shaped(a, 1, 4, 1), b}}, `input "a" for model "m" has shape [1,4,1], expected [-1,4]`},
		{InferRequest{Inputs: []Tensor{a, shaped(b, 1)}}, `input "b" for model "m" has shape [1], expected []`},
		{InferRequest{Inputs: []Tensor{a, b}, Outputs: []RequestedOutput{{Name: "x"}}}, `unexpected output "x" for model "m", expected "y", "z"`},
		{InferRequest{Inputs: []Tensor{a, b}, Outputs: []RequestedOutput{{Name: "y"}, {Name: "y"}}}, `output "y" for model "m" is asked for twice`},
	} {
		if err := CheckRequest("m", inputs, outputs, &c.r); err == nil || err.Error() != c.want {
			t.Errorf("%+v:\n%v, want\n%s", c.r, err, c.want)
		}
	}
	var many []TensorMetadata
	for i := range 100 {
		many = append(many, TensorMetadata{Name: fmt.Sprint("input", i)})
	}
	err := CheckRequest("m", many, nil, &InferRequest{Inputs: []Tensor{a}})
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("%v names all of a hundred inputs", err)
	}
}

func TestHTTPStatusOfCodes(t *testing.T) {
	for code, want := range map[Code]int{
		Unknown: 500, InvalidArgument: 400, NotFound: 404, TooLarge: 413, ResourceExhausted: 429, Internal: 500,
		Unsupported: 501, Unavailable: 503, DeadlineExceeded: 504, Code(99): 500,
	} {
		if got := code.HTTPStatus(); got != want {
			t.Errorf("%s has status %d, want %d", code, got, want)
		}
	}
}
