//go:build !race

package oip

import "testing"

// The race detector allocates by itself, so these tests are built without it.

func allocations(t *testing.T, name string, want float64, f func() bool) {
	t.Helper()
	ok := true
	if got := testing.AllocsPerRun(100, func() { ok = ok && f() }); got > want || !ok {
		t.Errorf("%s allocates %v times, want at most %v; succeeds %t", name, got, want, ok)
	}
}

func TestAllocationsOfTheHotPath(t *testing.T) {
	small := []byte(`{"parameters":{"binary_data_output":true,"priority":1},"inputs":[` +
		`{"name":"input","shape":[1,4],"datatype":"FP32","data":[[5.1,3.5,1.4,0.2]]},` +
		`{"data":[1,2,3],"name":"ids","datatype":"INT64","shape":[3],"parameters":{"content_type":1}}],` +
		`"outputs":[{"name":"label"},{"name":"probabilities","parameters":{"binary_data":true}}]}`)
	text := []byte(`{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["caf\u00e9 \ud83d\ude00"]}]}`)
	binaryBody, headerLen := imageBody(t, true)
	jsonBody, _ := imageBody(t, false)
	var r InferRequest
	decodes := func(body []byte, headerLen int) func() bool {
		return func() bool { return r.Decode(body, headerLen, DefaultLimits()) == nil }
	}
	allocations(t, "decoding a small request", 0, decodes(small, NoHeaderLength))
	allocations(t, "decoding text", 0, decodes(text, NoHeaderLength))
	allocations(t, "decoding a request with an id", 1, decodes([]byte(irisBody), NoHeaderLength))
	allocations(t, "decoding a binary request with an id", 1, decodes(binaryBody, headerLen))
	allocations(t, "decoding a large JSON request with an id", 1, decodes(jsonBody, NoHeaderLength))

	metadata := []TensorMetadata{{"input", FP32, []int64{-1, 4}}}
	v1 := []byte(`{"instances":[[5.1,3.5,1.4,0.2],[6.1,3.5,1.4,0.2]]}`)
	allocations(t, "decoding v1", 0, func() bool { return r.DecodeV1(v1, metadata, DefaultLimits()) == nil })
	allocations(t, "checking a request", 0, func() bool { return CheckRequest("m", metadata, nil, &r) == nil })

	answer := InferResponse{ModelName: "iris", ModelVersion: "1", ID: "7", Outputs: []OutputTensor{
		{Tensor: Tensor{Name: "p", Datatype: FP32, Shape: []int64{1, 2}, Data: fp32Data([]float32{0.25, 1e-30})}},
		{Tensor: Tensor{Name: "l", Datatype: Bytes, Shape: []int64{1}, Data: AppendBytesElement(nil, "é")}, Binary: true},
	}}
	buf := make([]byte, 0, 4096)
	protoBody := AppendProtoInferRequest(nil, "m", "1", &InferRequest{
		ID: "7", Parameters: Parameters{{"a", String("b")}},
		Inputs:  []Tensor{{Name: "x", Datatype: FP32, Shape: []int64{2}, Data: make([]byte, 8), Parameters: Parameters{{"n", Integer(1)}}}},
		Outputs: []RequestedOutput{{Name: "y"}},
	})
	allocations(t, "writing an answer", 0, func() bool {
		_, _, err := AppendInferResponse(buf[:0], &answer)
		return err == nil
	})
	body, headerLen, _ := AppendInferResponse(nil, &answer)
	var back InferResponse
	allocations(t, "reading an answer with an id", 1, func() bool { return back.Decode(body, headerLen, DefaultLimits()) == nil })
	allocations(t, "reading a protobuf request with an id and a text parameter", 2, func() bool {
		_, _, err := r.DecodeProto(protoBody, DefaultLimits())
		return err == nil
	})
	allocations(t, "writing a protobuf request", 0, func() bool {
		return len(AppendProtoInferRequest(buf[:0], "m", "1", &r)) > 0
	})
	allocations(t, "ScanProtoHead", 0, func() bool {
		_, err := ScanProtoHead(protoBody)
		return err == nil
	})
	allocations(t, "CutID", 0, func() bool {
		id, _, _, ok := CutID([]byte(irisBody))
		return ok && id != nil
	})
	elements := AppendBytesElement(AppendBytesElement(nil, "a"), "b")
	allocations(t, "BytesElements", 0, func() bool {
		n := 0
		for elem := range BytesElements(elements) {
			n += len(elem)
		}
		return n == 2
	})
	allocations(t, "ParsePath", 0, func() bool {
		_, ok := ParsePath("/v2/models/iris/versions/12/infer")
		return ok
	})
}
