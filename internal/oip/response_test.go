package oip

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestAnswersThatJSONCannotCarry(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	const hint = `ask for it as binary data (parameter "binary_data": true)`
	for _, c := range []struct {
		t    Tensor
		want string
	}{
		{Tensor{"y", FP32, []int64{3}, fp32Data([]float32{1, nan, 2}), nil}, `tensor "y": element 1 is NaN, which JSON cannot carry; ` + hint},
		{Tensor{"y", FP32, []int64{1}, fp32Data([]float32{inf}), nil}, `tensor "y": element 0 is -Inf, which JSON cannot carry; ` + hint},
		{Tensor{"y", FP64, []int64{1}, []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x7f}, nil}, `tensor "y": element 0 is +Inf, which JSON cannot carry; ` + hint},
		{
			Tensor{"y", Bytes, []int64{2}, []byte("\x01\x00\x00\x00a\x01\x00\x00\x00\xff"), nil},
			`tensor "y": element 1 is not UTF-8, which JSON cannot carry; ` + hint,
		},
		{Tensor{"y", FP16, []int64{1}, []byte{1, 2}, nil}, `sending FP16 data via JSON is not supported for tensor "y"; ` + hint},
		{Tensor{"y", BF16, []int64{1}, []byte{1, 2}, nil}, `sending BF16 data via JSON is not supported for tensor "y"; ` + hint},
	} {
		r := InferResponse{ModelName: "m", Outputs: []OutputTensor{{Tensor: c.t}}}
		_, _, err := AppendInferResponse(nil, &r)
		var e *Error
		if !errors.As(err, &e) || e.Msg != c.want || e.Code != InvalidArgument {
			t.Errorf("%+v:\n%v, want\n%s", c.t, err, c.want)
		}
		r.Outputs[0].Binary = true
		out, headerLen, err := AppendInferResponse(nil, &r)
		if err != nil || string(out[headerLen:]) != string(c.t.Data) {
			t.Errorf("%+v is not sent as binary data: %v", c.t, err)
		}
	}
}

func TestAnswersThatDoNotAddUpAreOurFault(t *testing.T) {
	for _, isBinary := range []bool{false, true} {
		for _, bad := range []Tensor{
			{"y", FP32, []int64{3}, make([]byte, 8), nil},
			{"y", FP32, []int64{-1}, make([]byte, 8), nil},
			{"y", Invalid, []int64{1}, make([]byte, 8), nil},
			{"y", Datatype(77), []int64{1}, make([]byte, 8), nil},
			{"y", Bytes, []int64{1}, []byte("\x05\x00\x00\x00a"), nil},
		} {
			r := InferResponse{ModelName: "m", Outputs: []OutputTensor{{Tensor: bad, Binary: isBinary}}}
			out, _, err := AppendInferResponse(nil, &r)
			var e *Error
			if !errors.As(err, &e) || e.Code != Internal {
				t.Errorf("%+v is written as %s: %v", bad, out, err)
			}
		}
	}
	for _, bad := range []Value{Float(math.NaN()), Float(math.Inf(1)), {}} {
		r := InferResponse{ModelName: "m", Parameters: Parameters{{"p", bad}}}
		if out, _, err := AppendInferResponse(nil, &r); err == nil {
			t.Errorf("parameter %s is written as %s", bad, out)
		}
	}
}

func TestResponseDecodeAcceptsOtherServers(t *testing.T) {
	var r InferResponse
	body := `{"model_name":"m","model_version":null,"id":null,"parameters":{"content_type":null,"n":1},"extra":[{}],"outputs":[` +
		`{"name":"y","shape":[1,2],"datatype":"FP64","parameters":{"content_type":"np","headers":{"a":[1]}},"data":[[1,2.5]]}]}`
	if err := r.Decode([]byte(body), NoHeaderLength, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	if r.ModelName != "m" || r.ModelVersion != "" || len(r.Outputs) != 1 || len(r.Outputs[0].Data) != 16 || len(r.Parameters) != 1 {
		t.Errorf("reads as %+v", r)
	}
}

func TestResponseDecodeRefusals(t *testing.T) {
	for body, want := range map[string]string{
		``:                   `input ends`,
		`{}`:                 `the response has no "model_name"`,
		`{"model_name":"m"}`: `the response has no "outputs"`,
		`{"model_name":1}`:   `"model_name" is a number, expected a string`,
		`{"error":"x"}`:      `the response has no "model_name"`,
		`<html>`:             `invalid JSON at byte 0: found '<'`,
		`{"model_name":"m","outputs":[{"name":"y","shape":[2],"datatype":"INT8","data":[1]}]}`:                                `output "y": data has 1 elements, expected 2`,
		`{"model_name":"m","outputs":[{"name":"y","shape":[2],"datatype":"INT8","parameters":{"binary_data_size":2}}]}`:       `unexpected size for output 'y'`,
		`{"model_name":"m","outputs":[],"model_version":3}`:                                                                   `"model_version" is a number, expected a string`,
		`{"model_name":"m","model_name":"m","outputs":[]}`:                                                                    `member "model_name" comes twice`,
		`{"model_name":"m","outputs":[{"name":"y","shape":[1],"datatype":"INT8","parameters":{"shared_memory_region":"r"}}]}`: `shared memory is not supported`,
		`{"model_name":"m","outputs":[{"name":"y","shape":[1],"datatype":"INT8","parameters":{"a":[}}]}`:                      `invalid JSON`,
		`{"model_name":"m","outputs":[{"name":"y","shape":[1],"datatype":"INT8"}]}`:                                           `output "y" has neither "data" nor`,
	} {
		var r InferResponse
		err := r.Decode([]byte(body), NoHeaderLength, DefaultLimits())
		var e *Error
		if !errors.As(err, &e) || e.Code != Internal || !strings.HasPrefix(e.Msg, "cannot read the answer: ") || !strings.Contains(e.Msg, want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

func TestMetadataRoundTrip(t *testing.T) {
	want := ModelMetadata{
		Name: "m\"", Versions: []string{"1", "12"}, Platform: "onnxruntime_onnx",
		Inputs:  []TensorMetadata{{"x", FP32, []int64{-1, 4}}, {"s", Bytes, []int64{}}},
		Outputs: []TensorMetadata{{"y", Int64, []int64{-1}}},
	}
	text := AppendModelMetadata(nil, &want)
	const wantText = `{"name":"m\"","versions":["1","12"],"platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]},` +
		`{"name":"s","datatype":"BYTES","shape":[]}],"outputs":[{"name":"y","datatype":"INT64","shape":[-1]}]}`
	if string(text) != wantText {
		t.Errorf("metadata is written\n%s, want\n%s", text, wantText)
	}
	got, err := ParseModelMetadata(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("metadata reads back as %+v %v, want %+v", got, err, want)
	}
	server := ServerMetadata{Name: "ganglion", Version: "1", Extensions: []string{"binary_tensor_data"}}
	const wantServer = `{"name":"ganglion","version":"1","extensions":["binary_tensor_data"]}`
	if got := AppendServerMetadata(nil, &server); string(got) != wantServer {
		t.Errorf("server metadata is written %s, want %s", got, wantServer)
	}
	if got := AppendServerMetadata(nil, &ServerMetadata{}); string(got) != `{"name":"","version":"","extensions":[]}` {
		t.Errorf("empty server metadata is written %s", got)
	}
}

func TestParseModelMetadataRefusals(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `{}`, `{"name":""}`, `{"name":"m"} x`, `{"name":"m","inputs":[{}]}`, `{"name":"m","inputs":[{"name":"x","datatype":"FP99","shape":[]}]}`,
		`{"name":"m","inputs":[{"name":"x","datatype":"FP32","shape":[-2]}]}`, `{"name":"m","inputs":[{"name":"x","datatype":"FP32"}]}`,
		`{"name":"m","inputs":[{"name":"x","datatype":"FP32","shape":[1,1,1,1,1,1,1,1,1]}]}`, `{"name":"m","versions":[1]}`,
		`{"name":"m","name":"m"}`, `{"name":"m","inputs":[{"name":"x","datatype":"FP32","shape":["1"]}]}`,
	} {
		if got, err := ParseModelMetadata([]byte(body)); err == nil {
			t.Errorf("%s reads as %+v", body, got)
		}
	}
	got, err := ParseModelMetadata([]byte(`{"name":"m","versions":null,"platform":null,"properties":{"a":"b"},"inputs":[{"name":"x","datatype":"FP32",` +
		`"shape":[-1],"parameters":{"a":{}}}],"outputs":[]}`))
	if err != nil || got.Name != "m" || len(got.Inputs) != 1 {
		t.Errorf("what another server adds is refused: %+v %v", got, err)
	}
}

func TestAppendError(t *testing.T) {
	if got := AppendError([]byte("x"), "a \"b\"\n\xff"); string(got) != "x{\"error\":\"a \\\"b\\\"\\n\ufffd\"}" {
		t.Errorf("AppendError = %s", got)
	}
}
