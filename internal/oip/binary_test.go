package oip

import (
	"bytes"
	"strings"
	"testing"
)

// binaryBody joins JSON and binary data.
func binaryBody(json string, blobs ...string) (body []byte, headerLen int) {
	return []byte(json + strings.Join(blobs, "")), len(json)
}

func TestBinaryInputsAliasTheBody(t *testing.T) {
	body, headerLen := binaryBody(`{"inputs":[{"name":"a","shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4}},`+
		`{"name":"j","shape":[2],"datatype":"UINT8","data":[7,8]},`+
		`{"name":"e","shape":[0],"datatype":"FP32","parameters":{"binary_data_size":0}},`+
		`{"name":"s","datatype":"BYTES","parameters":{"binary_data_size":9},"shape":[2]}]}`,
		"\x01\x02\x03\x04", "\x01\x00\x00\x00x\x00\x00\x00\x00")
	var r InferRequest
	if err := r.Decode(body, headerLen, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	want := []string{"\x01\x02\x03\x04", "\x07\x08", "", "\x01\x00\x00\x00x\x00\x00\x00\x00"}
	for i, in := range r.Inputs {
		if string(in.Data) != want[i] {
			t.Errorf("input %q is %q, want %q", in.Name, in.Data, want[i])
		}
		if cap(in.Data) > len(in.Data) {
			t.Errorf("input %q can be appended into what follows it", in.Name)
		}
	}
	if !r.BinaryInputs {
		t.Error("BinaryInputs is not set")
	}
	if &r.Inputs[0].Data[0] != &body[headerLen] {
		t.Error("binary data was copied")
	}
}

func TestHeaderLengthMayCoverTheWholeBody(t *testing.T) {
	var r InferRequest
	if err := r.Decode([]byte(irisBody), len(irisBody), DefaultLimits()); err != nil || r.BinaryInputs {
		t.Errorf("%v, binary inputs %t; Triton's C++ client always sends the header", err, r.BinaryInputs)
	}
}

func TestBinaryRefusals(t *testing.T) {
	one := func(members string) string { return `{"inputs":[{"name":"x",` + members + `}]}` }
	fp32 := one(`"shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}`)
	for _, c := range []struct {
		json, blob string
		headerLen  int // 0: the length of json
		want       string
	}{
		{fp32, "", 0, `unexpected size for input 'x', expecting 16 additional bytes: 0 of 16 are there`},
		{fp32, "123456789012345", 0, `unexpected size for input 'x', expecting 1 additional bytes: 15 of 16 are there`},
		{fp32, "12345678901234567", 0, `unexpected additional input data: 1 bytes behind the last input with "binary_data_size"`},
		{irisBody, "x", 0, `unexpected additional input data: 1 bytes behind the last input with "binary_data_size"`},
		{fp32, "1234567890123456", NoHeaderLength, `invalid JSON at byte 94: found '1', expected the end of the input`},
		{fp32, "", NoHeaderLength, `unexpected size for input 'x', expecting 16 additional bytes: 0 of 16 are there; is the Inference-Header-Content-Length header missing?`},
		{fp32, "", 95, `inference header size should be in range (0, 94), got 95`},
		{fp32, "", -2, `inference header size should be in range (0, 94), got -2`},
		{
			one(`"shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":12}`), "123456789012", 0,
			`input "x": "binary_data_size" is 12, expected 4 elements of 4 bytes for shape [1,4] of FP32`,
		},
		{
			one(`"shape":[1000000],"datatype":"FP64","parameters":{"binary_data_size":9223372036854775807}`), "1", 0,
			`input "x": "binary_data_size" is 9223372036854775807, expected 1000000 elements of 8 bytes for shape [1000000] of FP64`,
		},
		{
			one(`"shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":9223372036854775807}`), "1", 0,
			`unexpected size for input 'x', expecting 9223372036854775806 additional bytes: 1 of 9223372036854775807 are there`,
		},
		{
			one(`"shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}`), "\x02\x00\x00\x00a", 0,
			`input "x": element 0 of its BYTES data runs past the end of the data (5 bytes)`,
		},
		{
			one(`"shape":[1],"datatype":"BOOL","parameters":{"binary_data_size":1}`), "\x02", 0,
			`input "x": element 0 is the byte 2, BOOL accepts 0 and 1`,
		},
		{one(`"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":-1}`), "", 0, `input "x": "binary_data_size" is -1, expected a whole number from 0`},
		{one(`"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":"1"}`), "", 0, `input "x": "binary_data_size" is a string, expected a whole number from 0`},
		{one(`"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":1.0}`), "", 0, `input "x": "binary_data_size" is 1.0, expected a whole number from 0`},
		{
			one(`"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":99999999999999999999}`), "", 0,
			`input "x": "binary_data_size" is 99999999999999999999, expected a whole number from 0`,
		},
		{one(`"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":1,"binary_data_size":1}`), "", 0, `input "x": member "binary_data_size" comes twice`},
	} {
		headerLen := c.headerLen
		if headerLen == 0 {
			headerLen = len(c.json)
		}
		if e := refuse(t, c.json+c.blob, headerLen, DefaultLimits()); e.Msg != c.want || e.Code != InvalidArgument {
			t.Errorf("%s + %q is refused with\n%s, want\n%s", c.json, c.blob, e.Msg, c.want)
		}
	}
	e := refuse(t, "anything", 0, DefaultLimits())
	if !strings.Contains(e.Msg, "raw binary request") {
		t.Errorf("header length 0 is refused with %s", e.Msg)
	}
}

func TestParseHeaderLength(t *testing.T) {
	for in, want := range map[string]int{"": NoHeaderLength, "0": 0, "17": 17, "0017": 17, "999999999999999999": 999999999999999999} {
		if got, err := ParseHeaderLength([]byte(in)); err != nil || got != want {
			t.Errorf("ParseHeaderLength(%q) = %d %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"-1", "+1", " 1", "1 ", "1.0", "0x1", "9999999999999999999", strings.Repeat("9", 1000)} {
		if got, err := ParseHeaderLength([]byte(in)); err == nil {
			t.Errorf("ParseHeaderLength(%q) = %d, want an error", in, got)
		}
	}
}

func TestRawRequests(t *testing.T) {
	for _, c := range []struct {
		d     Datatype
		shape []int64
		body  string
		want  string // shape
	}{
		{FP32, []int64{-1, 4}, strings.Repeat("\x00", 32), "[2,4]"},
		{FP32, []int64{1, 4}, strings.Repeat("\x00", 16), "[1,4]"},
		{Uint8, []int64{-1, -1}, "hello", "[1,5]"},
		{Uint8, []int64{-1, 2, -1}, "123456", "[1,2,3]"},
		{Bool, []int64{-1}, "\x00\x01", "[2]"},
		{Bytes, []int64{-1}, "any \xff bytes", "[1]"},
		{Bytes, []int64{-1, 1}, "", "[1,1]"},
		{FP32, []int64{-1, 4}, "", "[0,4]"},
	} {
		var r InferRequest
		inputs := []TensorMetadata{{Name: "x", Datatype: c.d, Shape: c.shape}}
		if err := r.DecodeRaw([]byte(c.body), inputs, DefaultLimits()); err != nil {
			t.Errorf("%d bytes as %s %v: %v", len(c.body), c.d, c.shape, err)
			continue
		}
		if got := shapeText(r.Inputs[0].Shape); got != c.want || !r.BinaryDefault || !r.WantsBinary("y") {
			t.Errorf("%d bytes as %s %v become %s, want %s; binary %t", len(c.body), c.d, c.shape, got, c.want, r.BinaryDefault)
		}
		if err := CheckRequest("m", inputs, nil, &r); err != nil {
			t.Errorf("%d bytes as %s %v: %v", len(c.body), c.d, c.shape, err)
		}
		if c.d == Bytes && string(r.Inputs[0].Data) != string(AppendBytesElement(nil, c.body)) {
			t.Errorf("BYTES reads as %q", r.Inputs[0].Data)
		}
	}
	for _, c := range []struct {
		d     Datatype
		shape []int64
		body  string
		want  string
	}{
		{FP32, []int64{-1, 4}, "12345", `input "x" holds 5 bytes, shape [0,4] of FP32 takes 0 elements of 4 bytes`},
		{FP32, []int64{1, 4}, "12345", `input "x" holds 5 bytes, shape [1,4] of FP32 takes 4 elements of 4 bytes`},
		{FP32, []int64{-1, -1, -1}, "12345678", `input "x" has shape [-1,-1,-1]: a raw binary request leaves room for one variable dimension behind the first`},
		{FP32, []int64{2, -1, -1}, "12345678", `input "x" has shape [2,-1,-1]: a raw binary request leaves room for one variable dimension behind the first`},
		{FP32, []int64{-1, 0}, "1234", `input "x" holds 4 bytes, shape [1,0] of FP32 takes 0 elements of 4 bytes`},
		{Bytes, []int64{2}, "x", `input "x" holds 1 BYTES elements, shape [2] takes 2`},
		{Bool, []int64{-1}, "x", `input "x": element 0 is the byte 120, BOOL accepts 0 and 1`},
	} {
		var r InferRequest
		err := r.DecodeRaw([]byte(c.body), []TensorMetadata{{Name: "x", Datatype: c.d, Shape: c.shape}}, DefaultLimits())
		if err == nil || err.Error() != c.want {
			t.Errorf("%q as %s %v: %v, want %s", c.body, c.d, c.shape, err, c.want)
		}
	}
	var r InferRequest
	if err := r.DecodeRaw(nil, make([]TensorMetadata, 2), DefaultLimits()); err == nil {
		t.Error("a raw request to a model with two inputs is accepted")
	}
}

func TestBinaryAnswers(t *testing.T) {
	r := InferResponse{ModelName: "m", ModelVersion: "3", ID: "a", Outputs: []OutputTensor{
		{Tensor: Tensor{Name: "b", Datatype: FP16, Shape: []int64{2}, Data: []byte("1234")}, Binary: true},
		{Tensor: Tensor{Name: "j", Datatype: Int8, Shape: []int64{1}, Data: []byte{5}}},
		{Tensor: Tensor{Name: "e", Datatype: FP32, Shape: []int64{0}}, Binary: true},
		{Tensor: Tensor{Name: "s", Datatype: Bytes, Shape: []int64{1}, Data: []byte("\x01\x00\x00\x00\xff")}, Binary: true},
	}}
	out, headerLen, err := AppendInferResponse([]byte("kept"), &r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"a","model_name":"m","model_version":"3","outputs":[` +
		`{"name":"b","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}},` +
		`{"name":"j","datatype":"INT8","shape":[1],"data":[5]},` +
		`{"name":"e","datatype":"FP32","shape":[0],"parameters":{"binary_data_size":0}},` +
		`{"name":"s","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}`
	if string(out) != "kept"+want+"1234\x01\x00\x00\x00\xff" || headerLen != len(want) {
		t.Errorf("header length %d of %q, want %d of\n%s", headerLen, out, len(want), want)
	}
	var back InferResponse
	if err := back.Decode(out[len("kept"):], headerLen, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	for i := range r.Outputs {
		got, want := &back.Outputs[i], &r.Outputs[i]
		if got.Name != want.Name || got.Binary != want.Binary || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("output reads back as %+v, want %+v", got, want)
		}
	}
}

func TestAnswersWithoutBinaryDataHaveNoHeader(t *testing.T) {
	r := InferResponse{ModelName: "m", Outputs: []OutputTensor{
		{Tensor: Tensor{Name: "e", Datatype: FP32, Shape: []int64{0}}, Binary: true},
	}}
	out, headerLen, err := AppendInferResponse(nil, &r)
	if err != nil || headerLen != NoHeaderLength {
		t.Fatalf("header length %d of %s: %v, want none", headerLen, out, err)
	}
	var back InferResponse
	if err := back.Decode(out, headerLen, DefaultLimits()); err != nil || !back.Outputs[0].Binary {
		t.Errorf("reads back as %+v: %v", back.Outputs, err)
	}
}

// Clients of Triton look for these texts.
func TestErrorsAboutBinaryDataNameTheModel(t *testing.T) {
	const head = `{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}}]}`
	lim := DefaultLimits()
	lim.Model = "m"
	for blob, want := range map[string]string{
		"1234":              "unexpected size for input 'x', expecting 12 additional bytes for model 'm'",
		"12345678901234567": "unexpected additional input data for model 'm'",
	} {
		var r InferRequest
		if err := r.Decode([]byte(head+blob), len(head), lim); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}
