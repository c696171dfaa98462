package oip_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

func TestScanProtoHead(t *testing.T) {
	msg := marshal(t, &pb.ModelInferRequest{
		ModelName: "iris", ModelVersion: "3", Id: "é7",
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP32", Shape: []int64{1}}},
		RawInputContents: [][]byte{{1, 2, 3, 4}},
	})
	h, err := oip.ScanProtoHead(msg)
	if err != nil || string(h.Model) != "iris" || string(h.Version) != "3" || string(h.ID) != "é7" || h.Repeated {
		t.Fatalf("head %q %q %q %t, %v", h.Model, h.Version, h.ID, h.Repeated, err)
	}
	without := append(bytes.Clone(msg[:h.IDSpan.Start]), msg[h.IDSpan.End:]...)
	var m pb.ModelInferRequest
	if err := proto.Unmarshal(without, &m); err != nil || m.GetId() != "" || m.GetModelName() != "iris" || len(m.GetInputs()) != 1 {
		t.Errorf("without its id the message is %v, %v", &m, err)
	}
	changed := oip.AppendProtoID(oip.AppendProtoVersion(oip.AppendProtoModel(msg, "other"), "12"), "")
	if err := proto.Unmarshal(changed, &m); err != nil || m.GetModelName() != "other" || m.GetModelVersion() != "12" || m.GetId() != "" {
		t.Errorf("changed, the message is %v, %v", &m, err)
	}
	if h, err = oip.ScanProtoHead(changed); err != nil || string(h.Model) != "other" || string(h.Version) != "12" || !h.Repeated {
		t.Errorf("changed, the head is %q %q %t, %v", h.Model, h.Version, h.Repeated, err)
	}
}

func TestScanProtoHeadRefuses(t *testing.T) {
	for msg, want := range map[string]string{
		"\x0a":                             "cut off",
		"\x0a\x05iris":                     "model_name has 5 bytes, 4 are left",
		"\x0a\x01\xff":                     "not valid UTF-8",
		"\x08\x01":                         "model_name has wire type 0, expected 2",
		"\x00\x01":                         "there is no field 0",
		"\x3b\x3c":                         "wire type 3 is not supported",
		"\x3a\xff\xff\xff\xff\xff\xff":     "cut off",
		"\x3a\xff\xff\xff\xff\xff\xff\x7f": "are left",
	} {
		if _, err := oip.ScanProtoHead([]byte(msg)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want an error with %q", msg, err, want)
		}
	}
}

// everyDatatype is one tensor of two elements for each datatype: raw, and typed where that exists.
func everyDatatype() []struct {
	datatype oip.Datatype
	raw      []byte
	contents *pb.InferTensorContents
} {
	le := binary.LittleEndian
	return []struct {
		datatype oip.Datatype
		raw      []byte
		contents *pb.InferTensorContents
	}{
		{oip.Bool, []byte{1, 0}, &pb.InferTensorContents{BoolContents: []bool{true, false}}},
		{oip.Uint8, []byte{0, 255}, &pb.InferTensorContents{UintContents: []uint32{0, 255}}},
		{oip.Uint16, []byte{1, 0, 255, 255}, &pb.InferTensorContents{UintContents: []uint32{1, 65535}}},
		{oip.Uint32, le.AppendUint32([]byte{1, 0, 0, 0}, math.MaxUint32), &pb.InferTensorContents{UintContents: []uint32{1, math.MaxUint32}}},
		{oip.Uint64, le.AppendUint64(le.AppendUint64(nil, 300), math.MaxUint64), &pb.InferTensorContents{Uint64Contents: []uint64{300, math.MaxUint64}}},
		{oip.Int8, []byte{0x80, 127}, &pb.InferTensorContents{IntContents: []int32{-128, 127}}},
		{oip.Int16, []byte{0, 0x80, 255, 127}, &pb.InferTensorContents{IntContents: []int32{-32768, 32767}}},
		{oip.Int32, []byte{0, 0, 0, 0x80, 255, 255, 255, 127}, &pb.InferTensorContents{IntContents: []int32{math.MinInt32, math.MaxInt32}}},
		{
			oip.Int64, le.AppendUint64(le.AppendUint64(nil, 1<<63), math.MaxInt64),
			&pb.InferTensorContents{Int64Contents: []int64{math.MinInt64, math.MaxInt64}},
		},
		{oip.FP16, []byte{0, 0x3c, 0, 0x7e}, nil},
		{oip.BF16, []byte{0x80, 0x3f, 0x80, 0x7f}, nil},
		{
			oip.FP32, le.AppendUint32(le.AppendUint32(nil, math.Float32bits(1.5)), 0x7fc00001), // a NaN with a payload
			&pb.InferTensorContents{Fp32Contents: []float32{1.5, math.Float32frombits(0x7fc00001)}},
		},
		{
			oip.FP64, le.AppendUint64(le.AppendUint64(nil, math.Float64bits(-0.1)), math.Float64bits(math.Inf(1))),
			&pb.InferTensorContents{Fp64Contents: []float64{-0.1, math.Inf(1)}},
		},
		{oip.Bytes, []byte("\x00\x00\x00\x00\x02\x00\x00\x00\xff\x00"), &pb.InferTensorContents{BytesContents: [][]byte{{}, {255, 0}}}},
	}
}

func TestProtoRequestsCarryEveryDatatype(t *testing.T) {
	var r oip.InferRequest
	for _, c := range everyDatatype() {
		in := &pb.ModelInferRequest_InferInputTensor{Name: "x", Datatype: c.datatype.String(), Shape: []int64{2, 1}}
		want := oip.Tensor{Name: "x", Datatype: c.datatype, Shape: []int64{2, 1}, Data: c.raw}
		msg := marshal(t, &pb.ModelInferRequest{ModelName: "m", Inputs: []*pb.ModelInferRequest_InferInputTensor{in}, RawInputContents: [][]byte{c.raw}})
		checkInput(t, &r, msg, want)
		again := oip.AppendProtoInferRequest(nil, "m", "", &r)
		checkInput(t, &r, again, want)
		if c.contents == nil {
			continue
		}
		in.Contents = c.contents
		checkInput(t, &r, marshal(t, &pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{in}}), want)
	}
}

func checkInput(t *testing.T, r *oip.InferRequest, msg []byte, want oip.Tensor) {
	t.Helper()
	if _, _, err := r.DecodeProto(msg, oip.DefaultLimits()); err != nil {
		t.Fatalf("%s: %v", want.Datatype, err)
	}
	got := r.Inputs[0]
	if got.Name != want.Name || got.Datatype != want.Datatype || len(got.Shape) != 2 || got.Shape[0] != 2 || !bytes.Equal(got.Data, want.Data) {
		t.Errorf("input %+v, want %+v", got, want)
	}
}

func TestProtoContentsMayComeUnpacked(t *testing.T) {
	var contents []byte
	for _, v := range []float32{1, 2} {
		contents = protowire.AppendFixed32(protowire.AppendTag(contents, 6, protowire.Fixed32Type), math.Float32bits(v))
	}
	var tensor []byte
	tensor = protowire.AppendBytes(protowire.AppendTag(tensor, 5, protowire.BytesType), contents) // before all it depends on
	tensor = protowire.AppendVarint(protowire.AppendTag(tensor, 3, protowire.VarintType), 2)
	tensor = protowire.AppendVarint(protowire.AppendTag(tensor, 3, protowire.VarintType), 1)
	tensor = protowire.AppendString(protowire.AppendTag(tensor, 2, protowire.BytesType), "FP32")
	tensor = protowire.AppendString(protowire.AppendTag(tensor, 1, protowire.BytesType), "x")
	msg := protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), tensor)
	var r oip.InferRequest
	checkInput(t, &r, msg, oip.Tensor{Name: "x", Datatype: oip.FP32, Data: []byte{0, 0, 128, 63, 0, 0, 0, 64}})
}

func TestProtoRequestIsReadWhole(t *testing.T) {
	msg := marshal(t, fullRequest())
	var r oip.InferRequest
	model, version, err := r.DecodeProto(msg, oip.DefaultLimits())
	if err != nil || model != "iris" || version != "2" || r.ID != "7" || !r.BinaryDefault || !r.BinaryInputs {
		t.Fatalf("model %q version %q id %q, %v", model, version, r.ID, err)
	}
	for name, want := range map[string]oip.Value{
		"priority": oip.Integer(3), "timeout": oip.Integer(50), "sequence_start": oip.Boolean(true), "note": oip.String("é"),
		"share": oip.Float(0.5), "triton_enable_empty_final_response": oip.Boolean(true),
	} {
		if got, ok := r.Parameters.Lookup(name); !ok || got != want {
			t.Errorf("parameter %q is %v, want %v", name, got, want)
		}
	}
	if len(r.Outputs) != 2 || r.Outputs[0] != (oip.RequestedOutput{Name: "y", Binary: true}) ||
		r.Outputs[1] != (oip.RequestedOutput{Name: "z", Binary: true, Classification: 3}) {
		t.Errorf("outputs %+v", r.Outputs)
	}
	if got, _ := r.Inputs[0].Parameters.Lookup("content_type"); got != oip.String("np") {
		t.Errorf("input parameters %v", r.Inputs[0].Parameters)
	}
	var again pb.ModelInferRequest
	if err := proto.Unmarshal(oip.AppendProtoInferRequest(nil, model, version, &r), &again); err != nil || !proto.Equal(&again, fullRequest()) {
		t.Errorf("written again: %v %v\nwant %v", &again, err, fullRequest())
	}
}

func fullRequest() *pb.ModelInferRequest {
	return &pb.ModelInferRequest{
		ModelName: "iris", ModelVersion: "2", Id: "7",
		Parameters: map[string]*pb.InferParameter{
			"priority":                           {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: 3}},
			"timeout":                            {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 50}},
			"sequence_start":                     {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}},
			"note":                               {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "é"}},
			"share":                              {ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: 0.5}},
			"triton_enable_empty_final_response": {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}},
		},
		Inputs: []*pb.ModelInferRequest_InferInputTensor{{
			Name: strings.Repeat("long", 60), Datatype: "FP32", Shape: []int64{1, 1},
			Parameters: map[string]*pb.InferParameter{"content_type": {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "np"}}},
		}, {Name: "empty", Datatype: "INT64", Shape: []int64{0, 4}}, {Name: "scalar", Datatype: "INT8"}},
		Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y"}, {
			Name:       "z",
			Parameters: map[string]*pb.InferParameter{"classification": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 3}}},
		}},
		RawInputContents: [][]byte{{1, 2, 3, 4}, {}, {9}},
	}
}

func TestProtoResponseIsReadWhole(t *testing.T) {
	for _, c := range everyDatatype() {
		want := &pb.ModelInferResponse{
			ModelName: "m", ModelVersion: "1", Id: "x",
			Parameters:        map[string]*pb.InferParameter{"sequence_id": {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: math.MaxUint64}}},
			Outputs:           []*pb.ModelInferResponse_InferOutputTensor{{Name: "y", Datatype: c.datatype.String(), Shape: []int64{2}}},
			RawOutputContents: [][]byte{c.raw},
		}
		var r oip.InferResponse
		if err := r.DecodeProto(marshal(t, want), oip.DefaultLimits()); err != nil {
			t.Fatal(err)
		}
		var again pb.ModelInferResponse
		if err := proto.Unmarshal(oip.AppendProtoInferResponse(nil, &r), &again); err != nil || !proto.Equal(&again, want) {
			t.Errorf("%v is written again as %v, %v", want, &again, err)
		}
		if c.contents == nil {
			continue
		}
		typed := proto.CloneOf(want)
		typed.RawOutputContents, typed.Outputs[0].Contents = nil, c.contents
		if err := r.DecodeProto(marshal(t, typed), oip.DefaultLimits()); err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(oip.AppendProtoInferResponse(nil, &r), &again); err != nil || !proto.Equal(&again, want) {
			t.Errorf("%v is written again as %v, %v", typed, &again, err)
		}
	}
}

func TestProtoRequestRefuses(t *testing.T) {
	tensor := func(change func(*pb.ModelInferRequest)) []byte {
		m := &pb.ModelInferRequest{
			Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "INT8", Shape: []int64{2}}},
			RawInputContents: [][]byte{{1, 2}},
		}
		change(m)
		return marshal(t, m)
	}
	integers := func(m *pb.ModelInferRequest, values ...int32) {
		m.RawInputContents = nil
		m.Inputs[0].Contents = &pb.InferTensorContents{IntContents: values}
	}
	parameter := func(m *pb.ModelInferRequest, name string, v *pb.InferParameter) {
		m.Parameters = map[string]*pb.InferParameter{name: v}
	}
	text := func(s string) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_StringParam{StringParam: s}}
	}
	for _, c := range []struct {
		change func(m *pb.ModelInferRequest)
		want   string
		code   oip.Code
	}{
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Name = "" }, `inputs[0]: it has no "name"`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Datatype = "" }, `input "x": it has no "datatype", accepted are BOOL, `, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Datatype = "fp32" }, `unknown datatype "fp32"`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Shape = []int64{-1} }, `negative dimension -1 at index 0`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Shape = []int64{1 << 40, 1 << 40} }, `more elements than 64 bits can count`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Shape = []int64{1 << 40, 0} }, `larger than the 67108864 elements`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Shape = make([]int64, 9) }, `more than the 8 dimensions`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Shape = []int64{3} }, `input "x" holds 2 bytes, shape [3] of INT8`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.RawInputContents = append(m.RawInputContents, nil) }, `raw_input_contents has 2 entries, expected one for each of the 1 inputs`, oip.InvalidArgument},
		{
			func(m *pb.ModelInferRequest) { integers(m, 1, 2); m.RawInputContents = [][]byte{{1, 2}} },
			`contents field must not be specified when using raw_input_contents for input 'x'`, oip.InvalidArgument,
		},
		{func(m *pb.ModelInferRequest) { integers(m, 1, 300) }, `input "x": element 300 is out of the range of INT8`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { integers(m, 1) }, `input "x" holds 1 bytes`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { integers(m, 1, 2); m.Inputs[0].Datatype = "FP32" }, `not that of FP32, expected "fp32_contents"`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { integers(m, 1, 2); m.Inputs[0].Datatype = "FP16" }, `FP16 travels in raw_input_contents only`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.RawInputContents = nil; m.Inputs[0].Datatype = "BF16" }, `BF16 travels in raw_input_contents only`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Datatype = "BOOL" }, `element 1 is the byte 2, BOOL accepts 0 and 1`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { m.Inputs[0].Datatype = "BYTES" }, `element 0 of its BYTES data runs past the end`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { parameter(m, "headers", text("x")) }, `parameter "headers" is reserved`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { parameter(m, "triton_x", text("x")) }, `names that start with "triton_" are reserved`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { parameter(m, "priority", text("x")) }, `parameter "priority" is "x", expected a whole number from 0`, oip.InvalidArgument},
		{func(m *pb.ModelInferRequest) { parameter(m, "a", &pb.InferParameter{}) }, `parameter "a" has no value`, oip.InvalidArgument},
		{
			func(m *pb.ModelInferRequest) {
				parameter(m, "a", &pb.InferParameter{ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: math.NaN()}})
			}, `a parameter is NaN, expected a finite number`, oip.InvalidArgument,
		},
		{
			func(m *pb.ModelInferRequest) {
				m.Inputs[0].Parameters = map[string]*pb.InferParameter{"shared_memory_region": text("r")}
			}, `shared memory is not supported`, oip.Unsupported,
		},
		{
			func(m *pb.ModelInferRequest) {
				m.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y", Parameters: map[string]*pb.InferParameter{"shared_memory_region": text("r")}}}
			}, `outputs[0]: parameter "shared_memory_region": shared memory is not supported`, oip.Unsupported,
		},
		{
			func(m *pb.ModelInferRequest) {
				m.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y", Parameters: map[string]*pb.InferParameter{"classification": text("r")}}}
			}, `outputs[0]: parameter "classification" is "r", expected a whole number from 1`, oip.InvalidArgument,
		},
		{func(m *pb.ModelInferRequest) { m.Id = strings.Repeat("x", 2000) }, `"id" has 2000 bytes, at most 1024`, oip.InvalidArgument},
	} {
		var r oip.InferRequest
		_, _, err := r.DecodeProto(tensor(c.change), oip.DefaultLimits())
		e, ok := errors.AsType[*oip.Error](err)
		if !ok || !strings.Contains(e.Msg, c.want) || e.Code != c.code {
			t.Errorf("refused with %v, want %q (%s)", err, c.want, c.code)
		}
		if len(r.Inputs) != 0 {
			t.Errorf("%s: the request keeps %d inputs", c.want, len(r.Inputs))
		}
	}
}

func TestProtoRefusesWhatReadersSeeDifferently(t *testing.T) {
	parameter := marshal(t, &pb.ModelInferRequest{Parameters: map[string]*pb.InferParameter{
		"priority": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 1}},
	}})
	contents := []byte("\x2a\x06\x0a\x00\x2a\x00\x2a\x00") // an input with contents twice
	for _, c := range []struct {
		msg  []byte
		want string
	}{
		{append(bytes.Clone(parameter), parameter...), `parameter "priority" comes twice`},
		{contents, `"contents" comes twice`},
		{[]byte("\x2b\x2c"), "wire type 3"},
		{[]byte("\x28\x01"), "a tensor has wire type 0, expected 2"},
	} {
		var r oip.InferRequest
		if _, _, err := r.DecodeProto(c.msg, oip.DefaultLimits()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%x gives %v, want an error with %q", c.msg, err, c.want)
		}
	}
}

func TestProtoLimits(t *testing.T) {
	lim := oip.DefaultLimits()
	lim.Tensors, lim.Parameters, lim.DecodedBytes = 1, 1, 7
	one := &pb.ModelInferRequest_InferInputTensor{Name: "x", Datatype: "INT64", Shape: []int64{1}, Contents: &pb.InferTensorContents{Int64Contents: []int64{1}}}
	flag := &pb.InferParameter{ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}}
	for _, c := range []struct {
		msg  *pb.ModelInferRequest
		want string
	}{
		{&pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{one, one}}, `"inputs" has more than the 1 entries`},
		{&pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{one}}, "more than the 7 bytes accepted as typed contents"},
		{&pb.ModelInferRequest{RawInputContents: [][]byte{{}, {}}}, `"raw_input_contents" has more than the 1 entries`},
		{&pb.ModelInferRequest{Parameters: map[string]*pb.InferParameter{"a": flag, "b": flag}}, `"parameters" has more than the 1 entries`},
	} {
		var r oip.InferRequest
		if _, _, err := r.DecodeProto(marshal(t, c.msg), lim); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("refused with %v, want %q", err, c.want)
		}
	}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	msg, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}
