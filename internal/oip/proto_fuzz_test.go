package oip_test

import (
	"bytes"
	"math"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// FuzzDecodeProtoRequest: what is accepted, the generated stubs read in the same way; it comes back from what we write of
// it; the scanner finds the same head; and memory stays in proportion to the message.
func FuzzDecodeProtoRequest(f *testing.F) {
	f.Add(marshal(f, fullRequest()))
	for _, c := range everyDatatype() {
		in := &pb.ModelInferRequest_InferInputTensor{Name: "x", Datatype: c.datatype.String(), Shape: []int64{2, 1}}
		f.Add(marshal(f, &pb.ModelInferRequest{ModelName: "m", Inputs: []*pb.ModelInferRequest_InferInputTensor{in}, RawInputContents: [][]byte{c.raw}}))
		in.Contents = c.contents
		f.Add(marshal(f, &pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{in}}))
	}
	used := new(oip.InferRequest)
	f.Fuzz(func(t *testing.T, msg []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var fresh oip.InferRequest
		model, version, err := fresh.DecodeProto(msg, oip.DefaultLimits())
		runtime.ReadMemStats(&after)
		// A tensor without anything takes five bytes of the message and some 200 of ours while the slices grow.
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(200*len(msg)+16<<10); got > limit {
			t.Fatalf("%d bytes allocate %d, want at most %d", len(msg), got, limit)
		}
		_, _, errUsed := used.DecodeProto(msg, oip.DefaultLimits())
		if (err == nil) != (errUsed == nil) || err != nil && err.Error() != errUsed.Error() {
			t.Fatalf("a fresh request says %v, a used one %v", err, errUsed)
		}
		if err != nil {
			return
		}
		head, err := oip.ScanProtoHead(msg)
		if err != nil || string(head.Model) != model || string(head.Version) != version || string(head.ID) != used.ID {
			t.Fatalf("the scanner sees %q %q %q, %v; want %q %q %q", head.Model, head.Version, head.ID, err, model, version, used.ID)
		}
		var theirs pb.ModelInferRequest
		if err := proto.Unmarshal(msg, &theirs); err != nil {
			t.Fatalf("accepted, but the stubs say %v", err)
		}
		compareRequest(t, &theirs, model, version, used)
		again := oip.AppendProtoInferRequest(nil, model, version, used)
		if _, _, err := fresh.DecodeProto(again, oip.DefaultLimits()); err != nil {
			t.Fatalf("what was written of it is refused: %v", err)
		}
		theirs.Reset()
		if err := proto.Unmarshal(again, &theirs); err != nil {
			t.Fatalf("what was written of it is refused by the stubs: %v", err)
		}
		compareRequest(t, &theirs, model, version, used)
	})
}

// compareRequest compares a request with what the stubs read.
func compareRequest(t *testing.T, want *pb.ModelInferRequest, model, version string, r *oip.InferRequest) {
	t.Helper()
	if want.GetModelName() != model || want.GetModelVersion() != version || want.GetId() != r.ID || len(want.GetInputs()) != len(r.Inputs) ||
		len(want.GetOutputs()) != len(r.Outputs) {
		t.Fatalf("read %q %q %+v\nwant %v", model, version, r, want)
	}
	for i, in := range want.GetInputs() {
		got := &r.Inputs[i]
		if in.GetName() != got.Name || in.GetDatatype() != got.Datatype.String() || len(in.GetShape()) != len(got.Shape) {
			t.Fatalf("input %d is %+v, want %v", i, got, in)
		}
		for j, dim := range in.GetShape() {
			if dim != got.Shape[j] {
				t.Fatalf("input %d has shape %v, want %v", i, got.Shape, in.GetShape())
			}
		}
		if raw := want.GetRawInputContents(); raw != nil && !bytes.Equal(raw[i], got.Data) {
			t.Fatalf("input %d holds %x, want %x", i, got.Data, raw[i])
		}
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	for i, o := range want.GetOutputs() {
		if o.GetName() != r.Outputs[i].Name {
			t.Fatalf("output %d is %q, want %q", i, r.Outputs[i].Name, o.GetName())
		}
	}
	for _, p := range r.Parameters {
		compareParameter(t, want.GetParameters()[p.Name], p)
	}
}

func compareParameter(t *testing.T, want *pb.InferParameter, p oip.Parameter) {
	t.Helper()
	ok := false
	switch v := want.GetParameterChoice().(type) {
	case *pb.InferParameter_BoolParam:
		got, is := p.Value.Bool()
		ok = is && got == v.BoolParam
	case *pb.InferParameter_Int64Param:
		got, is := p.Value.Int()
		ok = is && got == v.Int64Param
	case *pb.InferParameter_Uint64Param:
		got, is := p.Value.Uint()
		ok = is && got == v.Uint64Param
	case *pb.InferParameter_StringParam:
		got, is := p.Value.Text()
		ok = is && got == v.StringParam
	case *pb.InferParameter_DoubleParam:
		got, is := p.Value.Float()
		ok = is && math.Float64bits(got) == math.Float64bits(v.DoubleParam)
	}
	if !ok {
		t.Fatalf("parameter %q is %v, want %v", p.Name, p.Value, want)
	}
}

// FuzzDecodeProtoResponse: as for requests; besides, typed contents become what is written as raw ones.
func FuzzDecodeProtoResponse(f *testing.F) {
	for _, c := range everyDatatype() {
		out := &pb.ModelInferResponse_InferOutputTensor{Name: "x", Datatype: c.datatype.String(), Shape: []int64{2, 1}}
		f.Add(marshal(f, &pb.ModelInferResponse{ModelName: "m", Id: "7", Outputs: []*pb.ModelInferResponse_InferOutputTensor{out}, RawOutputContents: [][]byte{c.raw}}))
		out.Contents = c.contents
		f.Add(marshal(f, &pb.ModelInferResponse{Outputs: []*pb.ModelInferResponse_InferOutputTensor{out}}))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var r, again oip.InferResponse
		if r.DecodeProto(msg, oip.DefaultLimits()) != nil {
			return
		}
		var theirs pb.ModelInferResponse
		if err := proto.Unmarshal(msg, &theirs); err != nil {
			t.Fatalf("accepted, but the stubs say %v", err)
		}
		if theirs.GetModelName() != r.ModelName || theirs.GetModelVersion() != r.ModelVersion || theirs.GetId() != r.ID || len(theirs.GetOutputs()) != len(r.Outputs) {
			t.Fatalf("read %+v, want %v", &r, &theirs)
		}
		written := oip.AppendProtoInferResponse(nil, &r)
		if err := again.DecodeProto(written, oip.DefaultLimits()); err != nil {
			t.Fatalf("what was written of it is refused: %v", err)
		}
		for i := range r.Outputs {
			if !bytes.Equal(again.Outputs[i].Data, r.Outputs[i].Data) || r.Outputs[i].Validate() != nil {
				t.Fatalf("output %d holds %x, then %x", i, r.Outputs[i].Data, again.Outputs[i].Data)
			}
		}
	})
}
