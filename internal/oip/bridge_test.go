package oip_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// TestBridgeProtoToREST sends every datatype as a gRPC client does through a REST node that echoes, and back.
func TestBridgeProtoToREST(t *testing.T) {
	var b oip.Bridge
	for _, c := range everyDatatype() {
		msg := marshal(t, &pb.ModelInferRequest{
			ModelName: "m", ModelVersion: "2", Id: "7",
			Parameters: map[string]*pb.InferParameter{
				"triton_enable_empty_final_response": {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}},
			},
			Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: c.datatype.String(), Shape: []int64{2}}},
			Outputs:          []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "x"}},
			RawInputContents: [][]byte{c.raw},
		})
		body, headerLen, err := b.RequestFromProto(nil, msg, true, oip.DefaultLimits())
		if name, version := b.Model(); err != nil || name != "m" || version != "2" || strings.Contains(string(body), "triton_") {
			t.Fatalf("%s becomes %q for %q %q, %v", c.datatype, body, name, version, err)
		}
		answer, answerHeader := echo(t, body, headerLen)
		back, err := b.AnswerToProto(nil, answer, answerHeader, oip.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		want := &pb.ModelInferResponse{
			ModelName: "echo", Id: "7", Outputs: []*pb.ModelInferResponse_InferOutputTensor{{Name: "x", Datatype: c.datatype.String(), Shape: []int64{2}}},
			RawOutputContents: [][]byte{c.raw},
		}
		var got pb.ModelInferResponse
		if err := proto.Unmarshal(back, &got); err != nil || !proto.Equal(&got, want) {
			t.Errorf("%s comes back as %v, %v; want %v", c.datatype, &got, err, want)
		}
	}
}

// TestBridgeRESTToProto sends every datatype as a REST client does through a gRPC node that echoes, and back.
func TestBridgeRESTToProto(t *testing.T) {
	var b oip.Bridge
	for _, c := range everyDatatype() {
		for _, wantBinary := range []bool{true, false} {
			r := oip.InferRequest{ID: "7", BinaryInputs: true, BinaryDefault: wantBinary, Inputs: []oip.Tensor{
				{Name: "x", Datatype: c.datatype, Shape: []int64{2}, Data: c.raw},
			}}
			body, headerLen, err := oip.AppendInferRequest(nil, &r)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := b.RequestToProto(nil, body, headerLen, "m", "2", oip.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			var asked pb.ModelInferRequest
			if err := proto.Unmarshal(msg, &asked); err != nil || asked.GetModelName() != "m" || asked.GetModelVersion() != "2" ||
				!bytes.Equal(asked.GetRawInputContents()[0], c.raw) {
				t.Fatalf("%s becomes %v, %v", c.datatype, &asked, err)
			}
			in := asked.GetInputs()[0]
			answer := marshal(t, &pb.ModelInferResponse{
				ModelName: "m", Outputs: []*pb.ModelInferResponse_InferOutputTensor{{Name: "x", Datatype: in.GetDatatype(), Shape: in.GetShape()}},
				RawOutputContents: asked.GetRawInputContents(),
			})
			back, backHeader, err := b.AnswerFromProto(nil, answer, oip.DefaultLimits())
			if !wantBinary && !jsonCarries(c.datatype, c.raw) {
				if err == nil || !strings.Contains(err.Error(), `"binary_data": true`) {
					t.Errorf("%s as JSON gives %v, want a hint to use binary data", c.datatype, err)
				}
				continue
			}
			var got oip.InferResponse
			if err != nil || got.Decode(back, backHeader, oip.DefaultLimits()) != nil {
				t.Fatalf("%s comes back as %q, %v", c.datatype, back, err)
			}
			if got.ID != "7" || got.Outputs[0].Binary != wantBinary || !bytes.Equal(got.Outputs[0].Data, c.raw) {
				t.Errorf("%s comes back as %+v", c.datatype, got.Outputs[0])
			}
		}
	}
}

// jsonCarries reports whether JSON has a form for the values of everyDatatype.
func jsonCarries(d oip.Datatype, _ []byte) bool {
	return d != oip.FP16 && d != oip.BF16 && d != oip.FP32 && d != oip.FP64 && d != oip.Bytes // halves, NaN, infinity, no UTF-8
}

// TestBridgeBinaryToJSON stands between a client with binary tensors and a node that knows none.
func TestBridgeBinaryToJSON(t *testing.T) {
	const head = `{"id":"7","inputs":[{"name":"x","shape":[2],"datatype":"INT8","parameters":{"content_type":"np","binary_data_size":2}}],` +
		`"outputs":[{"name":"y","parameters":{"binary_data":true}},{"name":"z"}]}`
	var b oip.Bridge
	body, err := b.RequestToJSON(nil, []byte(head+"\x05\xff"), len(head), oip.DefaultLimits())
	want := `{"id":"7","inputs":[{"name":"x","shape":[2],"datatype":"INT8","parameters":{"content_type":"np"},"data":[5,-1]}],` +
		`"outputs":[{"name":"y"},{"name":"z"}]}`
	if err != nil || string(body) != want {
		t.Errorf("becomes %s, %v; want %s", body, err, want)
	}
	const answer = `{"model_name":"m","parameters":{"headers":{"a":[1]},"n":1},"outputs":[{"name":"y","datatype":"INT8","shape":[2],"parameters":{"content_type":"np"},"data":[5,-1]},` +
		`{"name":"z","datatype":"INT8","shape":[1],"data":[1]}]}`
	back, headerLen, err := b.AnswerFromJSON(nil, []byte(answer), oip.DefaultLimits())
	wantHead := `{"id":"7","model_name":"m","parameters":{"n":1},"outputs":[{"name":"y","datatype":"INT8","shape":[2],"parameters":{"binary_data_size":2}},` +
		`{"name":"z","datatype":"INT8","shape":[1],"data":[1]}]}`
	if err != nil || string(back) != wantHead+"\x05\xff" || headerLen != len(wantHead) {
		t.Errorf("comes back as %s (%d), %v; want %s (%d)", back, headerLen, err, wantHead, len(wantHead))
	}
	half := strings.NewReplacer("INT8", "FP16", `size":2`, `size":4`).Replace(head)
	if _, err := b.RequestToJSON(nil, []byte(half+"1234"), len(half), oip.DefaultLimits()); err == nil || !strings.Contains(err.Error(), "FP16") {
		t.Errorf("FP16 for a node that knows JSON only gives %v", err)
	}
}

// echo answers a REST request with its inputs as outputs.
func echo(t *testing.T, body []byte, headerLen int) (answer []byte, answerHeader int) {
	t.Helper()
	var r oip.InferRequest
	if err := r.Decode(body, headerLen, oip.DefaultLimits()); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	out := oip.InferResponse{ModelName: "echo"}
	for _, in := range r.Inputs {
		out.Outputs = append(out.Outputs, oip.OutputTensor{Tensor: in, Binary: r.WantsBinary(in.Name)})
	}
	answer, answerHeader, err := oip.AppendInferResponse(nil, &out)
	if err != nil {
		t.Fatal(err)
	}
	return answer, answerHeader
}
