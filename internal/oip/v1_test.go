package oip

import (
	"errors"
	"strings"
	"testing"
)

var (
	v1Rows   = []TensorMetadata{{"x", FP32, []int64{-1, 2}}}
	v1Text   = []TensorMetadata{{"text", Bytes, []int64{-1}}}
	v1Open   = []TensorMetadata{{"x", Int8, []int64{-1, -1, -1}}}
	v1Two    = []TensorMetadata{{"a", Int8, []int64{-1}}, {"b", FP32, []int64{-1, 2}}}
	v1OneRow = []TensorMetadata{{"x", Int8, []int64{2, 1}}}
)

func TestDecodeV1(t *testing.T) {
	for _, c := range []struct {
		inputs []TensorMetadata
		body   string
		want   []Tensor
	}{
		{v1Rows, `{"instances":[[1,2],[3,4]]}`, []Tensor{{"x", FP32, []int64{2, 2}, fp32Data([]float32{1, 2, 3, 4}), nil}}},
		{v1Rows, `{"signature_name":"s","instances":[{"x":[1,2]},[3,4]],"other":{}}`, []Tensor{{"x", FP32, []int64{2, 2}, fp32Data([]float32{1, 2, 3, 4}), nil}}},
		{v1Text, `{"instances":["a","bc"]}`, []Tensor{{"text", Bytes, []int64{2}, []byte("\x01\x00\x00\x00a\x02\x00\x00\x00bc"), nil}}},
		{
			v1Text, `{"instances":[{"text":"a"},{"b64":"/w==" },{"text":{"b64":"AP8="}}]}`,
			[]Tensor{{"text", Bytes, []int64{3}, []byte("\x01\x00\x00\x00a\x01\x00\x00\x00\xff\x02\x00\x00\x00\x00\xff"), nil}},
		},
		{v1Open, `{"instances":[[[1,2,3],[4,5,6]]]}`, []Tensor{{"x", Int8, []int64{1, 2, 3}, []byte{1, 2, 3, 4, 5, 6}, nil}}},
		{v1Open, `{"instances":[[],[]]}`, []Tensor{{"x", Int8, []int64{2, 0, 0}, nil, nil}}},
		{
			v1Two, `{"instances":[{"a":1,"b":[1,2]},{"b":[3,4],"a":2}]}`,
			[]Tensor{{"a", Int8, []int64{2}, []byte{1, 2}, nil}, {"b", FP32, []int64{2, 2}, fp32Data([]float32{1, 2, 3, 4}), nil}},
		},
		{v1OneRow, `{"instances":[[1],[2]]}`, []Tensor{{"x", Int8, []int64{2, 1}, []byte{1, 2}, nil}}},
	} {
		var r InferRequest
		for range 2 { // the second time in used memory
			if err := r.DecodeV1([]byte(c.body), c.inputs, DefaultLimits()); err != nil {
				t.Errorf("%s: %v", c.body, err)
				break
			}
			checkTensors(t, r.Inputs, c.want)
			if err := CheckRequest("m", c.inputs, nil, &r); err != nil {
				t.Errorf("%s: %v", c.body, err)
			}
			for _, in := range r.Inputs {
				if err := in.Validate(); err != nil {
					t.Errorf("%s: %v", c.body, err)
				}
			}
		}
	}
}

func TestDecodeV1Refusals(t *testing.T) {
	half := []TensorMetadata{{"h", FP16, []int64{-1}}}
	scalar := []TensorMetadata{{"s", FP32, nil}}
	for _, c := range []struct {
		inputs []TensorMetadata
		body   string
		want   string
		code   Code
	}{
		{v1Rows, `{}`, `the request has no "instances"`, InvalidArgument},
		{v1Rows, `{"instances":[]}`, `"instances" is empty, expected at least one`, InvalidArgument},
		{v1Rows, `{"instances":5}`, `"instances" is a number, expected an array`, InvalidArgument},
		{v1Rows, `{"instances":[[1,2]],"instances":[[1,2]]}`, `member "instances" comes twice`, InvalidArgument},
		{v1Rows, `{"inputs":[[1,2]]}`, `v1 predict with "inputs" (columns) is not supported, send "instances" (rows)`, Unsupported},
		{v1Rows, `{"instances":[[1,2]]} 1`, `invalid JSON at byte 22: found '1', expected the end of the input`, InvalidArgument},
		{v1Rows, `{"instances":[[1,2],[3]]}`, `input "x": instances[1] has 1 elements, expected 2`, InvalidArgument},
		{v1Rows, `{"instances":[[1,2,3]]}`, `input "x": instances[0] has more than 2 elements, expected 2`, InvalidArgument},
		{v1Rows, `{"instances":[1,2]}`, `input "x": instances[0] is a number, expected an array`, InvalidArgument},
		{v1Rows, `{"instances":[[1,"a"]]}`, `input "x": instances[0], element 1 is a string, FP32 accepts numbers from -3.4028235e+38 to 3.4028235e+38`, InvalidArgument},
		{v1Rows, `{"instances":[{"y":[1,2]}]}`, `instances[0]: unexpected input "y", expected "x"`, InvalidArgument},
		{v1Rows, `{"instances":[{}]}`, `instances[0]: input "x" is missing`, InvalidArgument},
		{v1Rows, `{"instances":[{"x":[1,2],"x":[1,2]}]}`, `instances[0]: input "x" comes twice`, InvalidArgument},
		{v1Two, `{"instances":[[1,2]]}`, `instances[0] is an array, expected an object with the model's inputs "a", "b"`, InvalidArgument},
		{v1Two, `{"instances":[{"a":1,"b":[1,2]},{"a":1}]}`, `instances[1]: input "b" is missing`, InvalidArgument},
		{v1Two, `{"instances":[{"a":1.5,"b":[1,2]}]}`, `input "a": instances[0] is 1.5, INT8 accepts whole numbers from -128 to 127`, InvalidArgument},
		{v1Open, `{"instances":[[[1,2],[3]]]}`, `input "x": instances[0]: the array at depth 2 that starts with element 2 has 1 entries, expected 2`, InvalidArgument},
		{v1Open, `{"instances":[[[1,2]],[[1]]]}`, `input "x": instances[1]: the array at depth 2 that starts with element 0 has 1 entries, expected 2`, InvalidArgument},
		{v1Text, `{"instances":[["a"]]}`, `input "text": instances[0] is an array, BYTES accepts strings`, InvalidArgument},
		{v1Text, `{"instances":[{"b64":"_w=="}]}`, `input "text": instances[0]: member "b64" is not base64: illegal base64 data at input byte 0`, InvalidArgument},
		{v1Text, `{"instances":[{"b64":"","c":1}]}`, `input "text": instances[0]: invalid JSON at byte 23: found ',', expected '}'`, InvalidArgument},
		{v1OneRow, `{"instances":[[1]]}`, `"instances" has 1 entries, input "x" takes exactly 2`, InvalidArgument},
		{half, `{"instances":[1]}`, `input "h" is FP16, which v1 predict cannot carry; use /v2/models/NAME/infer with binary data`, Unsupported},
		{scalar, `{"instances":[1]}`, `input "s" has no batch dimension, which v1 predict needs; use /v2/models/NAME/infer`, Unsupported},
	} {
		var r InferRequest
		err := r.DecodeV1([]byte(c.body), c.inputs, DefaultLimits())
		var e *Error
		if !errors.As(err, &e) || e.Msg != c.want || e.Code != c.code || len(r.Inputs) > 0 {
			t.Errorf("%s:\n%v, want\n%s", c.body, err, c.want)
		}
	}
}

func TestDecodeV1Limits(t *testing.T) {
	lim := DefaultLimits()
	lim.Elements, lim.DecodedBytes = 6, 20
	var r InferRequest
	for _, c := range []struct {
		inputs     []TensorMetadata
		body, want string
	}{
		{v1Open, `{"instances":[[[1,2,3,4,5,6,7]]]}`, `input "x" has more than the 6 elements accepted`},
		{v1Open, `{"instances":[[[1,2,3]],[[1,2,3]],[[1,2,3]]]}`, `input "x" has more than the 6 elements accepted`},
		{
			v1Text, `{"instances":["` + strings.Repeat("x", 20) + `"]}`,
			`the tensors take more than the 20 bytes accepted as JSON; binary data is not counted`,
		},
	} {
		if err := r.DecodeV1([]byte(c.body), c.inputs, lim); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.body, err, c.want)
		}
	}
}

func TestAppendV1Predictions(t *testing.T) {
	one := []OutputTensor{{Tensor: Tensor{Name: "p", Datatype: FP32, Shape: []int64{2, 3}, Data: fp32Data([]float32{1, 0.5, 0, -1, 2, 3})}}}
	labels := OutputTensor{Tensor: Tensor{Name: "label", Datatype: Bytes, Shape: []int64{2}, Data: []byte("\x01\x00\x00\x00a\x02\x00\x00\x00bc")}}
	deep := OutputTensor{Tensor: Tensor{Name: "d", Datatype: Uint8, Shape: []int64{1, 2, 1, 2}, Data: []byte{1, 2, 3, 4}}}
	empty := OutputTensor{Tensor: Tensor{Name: "e", Datatype: Uint8, Shape: []int64{2, 0, 3}}}
	for _, c := range []struct {
		outputs []OutputTensor
		want    string
	}{
		{one, `{"predictions":[[1,0.5,0],[-1,2,3]]}`},
		{[]OutputTensor{labels}, `{"predictions":["a","bc"]}`},
		{[]OutputTensor{labels, one[0]}, `{"predictions":[{"label":"a","p":[1,0.5,0]},{"label":"bc","p":[-1,2,3]}]}`},
		{[]OutputTensor{deep}, `{"predictions":[[[[1,2]],[[3,4]]]]}`},
		{[]OutputTensor{empty}, `{"predictions":[[],[]]}`},
		{nil, `{"predictions":[]}`},
	} {
		if got, err := AppendV1Predictions(nil, c.outputs); err != nil || string(got) != c.want {
			t.Errorf("%s %v, want %s", got, err, c.want)
		}
	}
	huge := OutputTensor{Tensor: Tensor{Name: "h", Datatype: Uint8, Shape: []int64{1000000000, 0}}}
	scalar := OutputTensor{Tensor: Tensor{Name: "s", Datatype: Uint8, Data: []byte{1}}}
	half := OutputTensor{Tensor: Tensor{Name: "f", Datatype: FP16, Shape: []int64{1}, Data: []byte{1, 2}}}
	binaryText := OutputTensor{Tensor: Tensor{Name: "b", Datatype: Bytes, Shape: []int64{1}, Data: []byte("\x01\x00\x00\x00\xff")}}
	for _, c := range []struct {
		outputs []OutputTensor
		want    string
	}{
		{[]OutputTensor{huge}, `output "h" is empty but has shape [1000000000,0], too many empty rows for v1 predict; use /v2/models/NAME/infer`},
		{[]OutputTensor{scalar}, `output "s" has no batch dimension, which v1 predict needs; use /v2/models/NAME/infer`},
		{[]OutputTensor{labels, deep}, `outputs "label" and "d" differ in their batch dimension (2, 1), so v1 predict cannot pair their rows; use /v2/models/NAME/infer`},
		{[]OutputTensor{half}, `sending FP16 data via JSON is not supported for tensor "f"; ask for it with /v2/models/NAME/infer as binary data (parameter "binary_data": true)`},
		{[]OutputTensor{binaryText}, `tensor "b": element 0 is not UTF-8, which JSON cannot carry; ask for it with /v2/models/NAME/infer as binary data (parameter "binary_data": true)`},
	} {
		if got, err := AppendV1Predictions(nil, c.outputs); err == nil || err.Error() != c.want {
			t.Errorf("%s\n%v, want\n%s", got, err, c.want)
		}
	}
}

func TestV1RoundTrip(t *testing.T) {
	var r InferRequest
	body := `{"instances":[{"a":-5,"b":[0.1,1e-30]},{"a":7,"b":[3.4028235e+38,0]}]}`
	if err := r.DecodeV1([]byte(body), v1Two, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	got, err := AppendV1Predictions(nil, []OutputTensor{{Tensor: r.Inputs[0]}, {Tensor: r.Inputs[1]}})
	if want := strings.Replace(body, "instances", "predictions", 1); err != nil || string(got) != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
}
