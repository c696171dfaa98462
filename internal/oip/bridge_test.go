package oip_test

import (
	"bytes"
	"slices"
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

// FuzzBridgeFromProto: what a gRPC client may send, a REST node understands in the same way.
func FuzzBridgeFromProto(f *testing.F) {
	f.Add(marshal(f, fullRequest()))
	for _, c := range everyDatatype() {
		in := &pb.ModelInferRequest_InferInputTensor{Name: "x", Datatype: c.datatype.String(), Shape: []int64{2, 1}, Contents: c.contents}
		f.Add(marshal(f, &pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{in}}))
	}
	var b oip.Bridge
	f.Fuzz(func(t *testing.T, msg []byte) {
		body, headerLen, err := b.RequestFromProto(nil, msg, true, oip.DefaultLimits())
		if err != nil {
			return
		}
		var sent, got oip.InferRequest
		if _, _, err := sent.DecodeProto(msg, oip.DefaultLimits()); err != nil {
			t.Fatalf("accepted and refused: %v", err)
		}
		if err := got.Decode(body, headerLen, oip.DefaultLimits()); err != nil {
			t.Fatalf("%q is refused: %v", body, err)
		}
		compareTensors(t, got.Inputs, sent.Inputs)
		if got.ID != sent.ID || len(got.Outputs) != len(sent.Outputs) {
			t.Fatalf("id %q and %d outputs, want %q and %d", got.ID, len(got.Outputs), sent.ID, len(sent.Outputs))
		}
	})
}

// FuzzBridgeToProto: what a REST client may send, a gRPC node understands in the same way.
func FuzzBridgeToProto(f *testing.F) {
	f.Add([]byte(`{"id":"7","inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2],"parameters":{"n":1}}],"outputs":[{"name":"y"}]}`), oip.NoHeaderLength)
	head := `{"parameters":{"binary_data_output":true,"priority":1},"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]}`
	f.Add([]byte(head+"\x01\x00\x00\x00a"), len(head))
	var b oip.Bridge
	f.Fuzz(func(t *testing.T, body []byte, headerLen int) {
		msg, err := b.RequestToProto(nil, body, headerLen, "m", "1", oip.DefaultLimits())
		if err != nil {
			return
		}
		var sent, got oip.InferRequest
		if err := sent.Decode(body, headerLen, oip.DefaultLimits()); err != nil {
			t.Fatalf("accepted and refused: %v", err)
		}
		if model, version, err := got.DecodeProto(msg, oip.DefaultLimits()); err != nil || model != "m" || version != "1" {
			t.Fatalf("%x is refused: %v", msg, err)
		}
		compareTensors(t, got.Inputs, sent.Inputs)
		if got.ID != sent.ID || len(got.Outputs) != len(sent.Outputs) || len(got.Parameters) != len(sent.Parameters) {
			t.Fatalf("id %q, %d outputs, %d parameters; want %q, %d, %d", got.ID, len(got.Outputs), len(got.Parameters),
				sent.ID, len(sent.Outputs), len(sent.Parameters))
		}
	})
}

func compareTensors(t *testing.T, got, want []oip.Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d inputs, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := &got[i], &want[i]
		if g.Name != w.Name || g.Datatype != w.Datatype || !slices.Equal(g.Shape, w.Shape) || !bytes.Equal(g.Data, w.Data) ||
			!slices.Equal(g.Parameters, w.Parameters) {
			t.Fatalf("input %+v, want %+v", g, w)
		}
	}
}
