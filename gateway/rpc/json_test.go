package rpc

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip/pb"
)

func TestMessagesAsREST(t *testing.T) {
	f := func(m proto.Message, want string) {
		t.Helper()
		got := string(AppendJSON(nil, m))
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Error("that is no JSON")
		}
		again := m.ProtoReflect().New().Interface()
		if err := protojson.Unmarshal([]byte(got), again); err != nil {
			t.Errorf("protobuf's own reader refuses it: %v", err)
		}
	}
	f(&pb.ModelReadyResponse{}, `{"ready":false}`)
	f(&pb.ServerMetadataResponse{Name: "a\"b", Extensions: []string{"x", "y"}}, `{"name":"a\"b","version":"","extensions":["x","y"]}`)
	f(&pb.ModelMetadataResponse_TensorMetadata{Name: "x", Datatype: "FP32", Shape: []int64{-1, 1 << 62}},
		`{"name":"x","datatype":"FP32","shape":[-1,4611686018427387904]}`)
	f(&pb.StatisticDuration{Count: 1<<64 - 1}, `{"count":18446744073709551615,"ns":0}`)
	f(&pb.InferBatchStatistics{BatchSize: 4},
		`{"batch_size":4,"compute_input":{"count":0,"ns":0},"compute_infer":{"count":0,"ns":0},"compute_output":{"count":0,"ns":0}}`)
	f(&pb.ModelInstanceGroup{Name: "g", Kind: pb.ModelInstanceGroup_KIND_GPU, Gpus: []int32{0, 1}, Count: 2},
		`{"name":"g","kind":"KIND_GPU","count":2,"gpus":[0,1],"secondary_devices":[],"profile":[],"passive":false,"host_policy":""}`)
	f(&pb.ModelOptimizationPolicy_ExecutionAccelerators_Accelerator{Name: "a", Parameters: map[string]string{"b": "2", "a": "1"}},
		`{"name":"a","parameters":{"a":"1","b":"2"}}`)
}
