package oip

import (
	"bytes"
	"encoding/json"
	"runtime"
	"testing"
)

// A fresh request may allocate this many bytes for each byte of input, and this many besides: for the request itself, its
// first buffers and an error's text. The worst input we know of is a list of tensors without elements, of which each
// takes some 45 bytes of text and some 200 of ours while the slices that hold them grow.
const (
	allocationPerByte = 32
	allocationBase    = 16 << 10
)

func addSeeds(f *testing.F) {
	f.Helper()
	for _, c := range []struct{ json, blob string }{
		{irisBody, ""},
		{`{"inputs":[{"data":[[1],[2]],"name":"x","shape":[2,1],"datatype":"INT64"}]}`, ""},
		{`{"inputs":[{"name":"s","shape":[2],"datatype":"BYTES","data":["a\u00e9","\ud83d\ude00"]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}`, ""},
		{`{"inputs":[{"name":"b","shape":[2],"datatype":"BOOL","data":[true,false]}],"parameters":{"priority":1,"a":"b"}}`, ""},
		{`{"inputs":[{"name":"x","shape":[2],"datatype":"FP16","parameters":{"binary_data_size":4}}]}`, "1234"},
		{`{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]}`, "\x01\x00\x00\x00a"},
		{`{"inputs":[{"name":"x","shape":[1000000000,1000000000],"datatype":"FP64","data":[1]}]}`, ""},
		{`{"inputs":[{"name":"x","shape":[0],"datatype":"FP64","data":[]},{"name":"y","shape":[0],"datatype":"FP64","data":[]}]}`, ""},
	} {
		f.Add([]byte(c.json+c.blob), len(c.json))
		f.Add([]byte(c.json+c.blob), NoHeaderLength)
	}
}

// FuzzDecode: whatever comes, a request is refused, or is consistent, bounded by its body, and comes back from what we
// write of it. What a used request reads is what a fresh one reads.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	used := new(InferRequest)
	f.Fuzz(func(t *testing.T, body []byte, headerLen int) {
		var r InferRequest
		var err error
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = r.Decode(body, headerLen, DefaultLimits())
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(allocationPerByte*len(body)+allocationBase); got > limit {
			t.Fatalf("%d bytes allocate %d, want at most %d", len(body), got, limit)
		}
		errUsed := used.Decode(body, headerLen, DefaultLimits())
		if (err == nil) != (errUsed == nil) || err != nil && err.Error() != errUsed.Error() {
			t.Fatalf("a fresh request says %v, a used one %v", err, errUsed)
		}
		if err != nil {
			return
		}
		checkTensors(t, used.Inputs, r.Inputs)
		if headerLen == NoHeaderLength && !json.Valid(body) {
			t.Fatalf("%q is accepted and is no JSON", body)
		}
		checkRequestComesBack(t, &r)
	})
}

func checkRequestComesBack(t *testing.T, r *InferRequest) {
	t.Helper()
	for i := range r.Inputs {
		if err := r.Inputs[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	out, headerLen, err := AppendInferRequest(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	var back InferRequest
	if err := back.Decode(out, headerLen, DefaultLimits()); err != nil {
		t.Fatalf("%v\n%q", err, out)
	}
	checkTensors(t, back.Inputs, r.Inputs)
	again, _, err := AppendInferRequest(nil, &back)
	if err != nil || !bytes.Equal(again, out) {
		t.Fatalf("%v\n%q becomes\n%q", err, out, again)
	}
}

// FuzzDecodeV1 reads bodies for models of several kinds of inputs.
func FuzzDecodeV1(f *testing.F) {
	for _, seed := range []string{
		`{"instances":[[1,2],[3,4]]}`, `{"instances":[{"x":[1,2]}]}`, `{"instances":["a",{"b64":"AP8="}]}`, `{"instances":[{"a":1,"b":[1,2]}]}`,
		`{"instances":[[],[]]}`, `{"instances":[[[1,2]],[[3,4]]]}`,
	} {
		for kind := range byte(5) {
			f.Add([]byte(seed), kind)
		}
	}
	models := [][]TensorMetadata{v1Rows, v1Text, v1Open, v1Two, v1OneRow}
	f.Fuzz(func(t *testing.T, body []byte, kind byte) {
		inputs := models[int(kind)%len(models)]
		var r InferRequest
		var err error
		got := allocated(func() { err = r.DecodeV1(body, inputs, DefaultLimits()) })
		if limit := uint64(allocationPerByte*len(body) + allocationBase); got > limit {
			t.Fatalf("%d bytes allocate %d, want at most %d", len(body), got, limit)
		}
		if err != nil {
			return
		}
		if err := CheckRequest("m", inputs, nil, &r); err != nil {
			t.Fatal(err)
		}
		outputs := make([]OutputTensor, len(r.Inputs))
		for i, in := range r.Inputs {
			if err := in.Validate(); err != nil {
				t.Fatal(err)
			}
			outputs[i].Tensor = in
		}
		if answer, err := AppendV1Predictions(nil, outputs); err == nil && !json.Valid(answer) {
			t.Fatalf("%q is no JSON", answer)
		}
	})
}

// FuzzDecodeResponse: what is read can be written and read again.
func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[0.5]}]}`), NoHeaderLength)
	f.Add([]byte(`{"id":"x","model_name":"m","outputs":[{"name":"y","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}`+"\x01\x00\x00\x00a"), 117)
	f.Add([]byte(`{"model_name":"m","outputs":[{"name":"y","datatype":"FP16","shape":[0],"parameters":{"binary_data_size":0}}]}`), NoHeaderLength)
	f.Fuzz(func(t *testing.T, body []byte, headerLen int) {
		var r, back InferResponse
		if r.Decode(body, headerLen, DefaultLimits()) != nil {
			return
		}
		out, length, err := AppendInferResponse(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		if err := back.Decode(out, length, DefaultLimits()); err != nil {
			t.Fatalf("%v\n%q", err, out)
		}
		for i := range r.Outputs {
			checkTensors(t, []Tensor{back.Outputs[i].Tensor}, []Tensor{r.Outputs[i].Tensor})
		}
	})
}
