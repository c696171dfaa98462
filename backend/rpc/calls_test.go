package rpc_test

import (
	"reflect"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// wantMessage compares a message with one written as JSON.
func wantMessage[M proto.Message](t *testing.T, got M, err error, want string) {
	t.Helper()
	if err != nil {
		t.Errorf("got %v", err)
		return
	}
	expected := got.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal([]byte(want), expected); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, expected) {
		t.Errorf("got  %s\nwant %s", protojson.Format(got), protojson.Format(expected))
	}
}

func TestTheNodeDescribesItself(t *testing.T) {
	node := newEcho()
	c, ctx := client(t, serve(t, node, nil)), within(t)

	live, err := c.ServerLive(ctx, &pb.ServerLiveRequest{})
	wantMessage(t, live, err, `{"live": true}`)
	for _, ready := range []bool{false, true} {
		node.ready.Store(ready)
		reply, err := c.ServerReady(ctx, &pb.ServerReadyRequest{})
		if err != nil || reply.GetReady() != ready {
			t.Errorf("got %v (%v), want %v", reply, err, ready)
		}
	}
	server, err := c.ServerMetadata(ctx, &pb.ServerMetadataRequest{})
	wantMessage(t, server, err, `{"name": "ganglion", "version": "1", "extensions": ["statistics"]}`)

	ready, err := c.ModelReady(ctx, &pb.ModelReadyRequest{Name: "m"})
	wantMessage(t, ready, err, `{"ready": true}`)
	ready, err = c.ModelReady(ctx, &pb.ModelReadyRequest{Name: "nobody"})
	wantMessage(t, ready, err, `{}`)

	model, err := c.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "m"})
	wantMessage(t, model, err, `{"name": "m", "versions": ["7"], "platform": "onnxruntime_onnx",
		"inputs": [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}],
		"outputs": [{"name": "y", "datatype": "BYTES", "shape": ["-1"]}]}`)
	_, err = c.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "nobody"})
	wantStatus(t, err, codes.NotFound, "Request for unknown model: 'nobody' is not found")

	config, err := c.ModelConfig(ctx, &pb.ModelConfigRequest{Name: "m"})
	wantMessage(t, config, err, `{"config": {
		"name": "m", "platform": "onnxruntime_onnx", "backend": "onnxruntime", "maxBatchSize": 8,
		"versionPolicy": {"specific": {"versions": ["3", "7"]}},
		"input": [{"name": "x", "dataType": "TYPE_FP32", "dims": ["4"], "reshape": {}}],
		"output": [{"name": "y", "dataType": "TYPE_STRING", "dims": ["1"], "labelFilename": "labels.txt"}],
		"optimization": {"graph": {"level": 2}},
		"dynamicBatching": {"maxQueueDelayMicroseconds": "500",
			"priorityQueuePolicy": {"1": {"timeoutAction": "DELAY"}, "2": {"maxQueueSize": 9}}},
		"instanceGroup": [{"kind": "KIND_GPU", "count": 2, "gpus": [1]}],
		"parameters": {"k": {"stringValue": "v"}},
		"modelWarmup": [{"name": "w", "batchSize": 1, "inputs": {"x": {"dataType": "TYPE_FP32", "dims": ["4"], "zeroData": true}}}]}}`)
}

func TestStatistics(t *testing.T) {
	c, ctx := client(t, serve(t, newEcho(), nil)), within(t)
	for _, name := range []string{"m", ""} {
		stats, err := c.ModelStatistics(ctx, &pb.ModelStatisticsRequest{Name: name})
		wantMessage(t, stats, err, `{"modelStats": [{"name": "m", "version": "7", "lastInference": "5",
			"inferenceCount": "64", "executionCount": "1",
			"inferenceStats": {"success": {"count": "3", "ns": "9"}, "fail": {}, "queue": {}, "computeInput": {},
				"computeInfer": {}, "computeOutput": {}, "cacheHit": {}, "cacheMiss": {}},
			"batchStats": [{"batchSize": "64", "computeInput": {}, "computeInfer": {"count": "1", "ns": "8"}, "computeOutput": {}}],
			"memoryUsage": [{"type": "CPU", "byteSize": "11"}]}]}`)
	}
	_, err := c.ModelStatistics(ctx, &pb.ModelStatisticsRequest{Name: "nobody"})
	wantStatus(t, err, codes.InvalidArgument, "requested model 'nobody' is not available")
}

func TestRepositoryIndex(t *testing.T) {
	c, ctx := client(t, serve(t, newEcho(), nil)), within(t)
	all, err := c.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{})
	wantMessage(t, all, err, `{"models": [{"name": "m", "version": "7", "state": "READY"},
		{"name": "broken", "state": "UNAVAILABLE", "reason": "cannot read \ufffd"}]}`)
	ready, err := c.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{Ready: true})
	wantMessage(t, ready, err, `{"models": [{"name": "m", "version": "7", "state": "READY"}]}`)
	_, err = c.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{RepositoryName: "other"})
	wantStatus(t, err, codes.Unimplemented, oip.RefuseCall(oip.CallNamedRepository).Error())
}

// TestLoadTakesBothFormsOfTheRequest: Triton's, and KServe's with the model's name in the first field.
func TestLoadTakesBothFormsOfTheRequest(t *testing.T) {
	node := newEcho()
	c, ctx := client(t, serve(t, node, nil)), within(t)
	text := func(s string) *pb.ModelRepositoryParameter {
		return &pb.ModelRepositoryParameter{ParameterChoice: &pb.ModelRepositoryParameter_StringParam{StringParam: s}}
	}
	content := &pb.ModelRepositoryParameter{ParameterChoice: &pb.ModelRepositoryParameter_BytesParam{BytesParam: []byte("\x08\x07")}}

	loaded, err := c.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{
		ModelName:  "triton",
		Parameters: map[string]*pb.ModelRepositoryParameter{"config": text(`{"max_batch_size":8}`), "file:1/model.onnx": content},
	})
	wantMessage(t, loaded, err, `{"modelName": "triton", "isLoaded": true}`)
	loaded, err = c.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{RepositoryName: "kserve"})
	wantMessage(t, loaded, err, `{"modelName": "kserve", "isLoaded": true}`)
	want := map[string]oip.LoadOptions{
		"triton": {Config: []byte(`{"max_batch_size":8}`), Files: map[string][]byte{"1/model.onnx": []byte("\x08\x07")}},
		"kserve": {},
	}
	if !reflect.DeepEqual(node.loaded, want) {
		t.Errorf("got %v, want %v", node.loaded, want)
	}
	for _, test := range []struct {
		request *pb.RepositoryModelLoadRequest
		code    codes.Code
		text    string
	}{
		{&pb.RepositoryModelLoadRequest{}, codes.InvalidArgument, "the request names no model"},
		{&pb.RepositoryModelLoadRequest{RepositoryName: "r", ModelName: "m"}, codes.Unimplemented, oip.RefuseCall(oip.CallNamedRepository).Error()},
		{load("config", content), codes.InvalidArgument, `invalid value type for "config" parameter, expected string_param`},
		{load("file:1/model.onnx", text("x")), codes.InvalidArgument, `invalid value type for "file:1/model.onnx" parameter, expected bytes_param`},
		{load("file:1/model.onnx", content), codes.InvalidArgument, `load of model "m" has "file:" parameters but no "config" parameter, which is needed with them`},
		{load("confg", text("{}")), codes.InvalidArgument, `unknown load parameter "confg": accepts "config" and "file:VERSION/NAME"`},
	} {
		_, err := c.RepositoryModelLoad(ctx, test.request)
		wantStatus(t, err, test.code, test.text)
	}
}

// load is a request to load m with one parameter.
func load(name string, p *pb.ModelRepositoryParameter) *pb.RepositoryModelLoadRequest {
	return &pb.RepositoryModelLoadRequest{ModelName: "m", Parameters: map[string]*pb.ModelRepositoryParameter{name: p}}
}

func TestUnloadTakesBothFormsOfTheRequest(t *testing.T) {
	node := newEcho()
	c, ctx := client(t, serve(t, node, nil)), within(t)
	yes := &pb.ModelRepositoryParameter{ParameterChoice: &pb.ModelRepositoryParameter_BoolParam{BoolParam: true}}
	unloaded, err := c.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{
		ModelName: "triton", Parameters: map[string]*pb.ModelRepositoryParameter{"unload_dependents": yes},
	})
	wantMessage(t, unloaded, err, `{"modelName": "triton", "isUnloaded": true}`)
	unloaded, err = c.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{RepositoryName: "kserve"})
	wantMessage(t, unloaded, err, `{"modelName": "kserve", "isUnloaded": true}`)
	if want := map[string]bool{"triton": true, "kserve": false}; !reflect.DeepEqual(node.unloaded, want) {
		t.Errorf("got %v, want %v", node.unloaded, want)
	}
	_, err = c.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{
		ModelName: "m", Parameters: map[string]*pb.ModelRepositoryParameter{"dependents": yes},
	})
	wantStatus(t, err, codes.InvalidArgument, `unknown unload parameter "dependents": accepts "unload_dependents"`)
}

// TestWhatIsNotOfferedSaysSo in the words that REST has for it.
func TestWhatIsNotOfferedSaysSo(t *testing.T) {
	c, ctx := client(t, serve(t, newEcho(), nil)), within(t)
	for name, call := range map[string]func() error{
		"system status": func() error {
			_, err := c.SystemSharedMemoryStatus(ctx, &pb.SystemSharedMemoryStatusRequest{})
			return err
		},
		"system register": func() error {
			_, err := c.SystemSharedMemoryRegister(ctx, &pb.SystemSharedMemoryRegisterRequest{})
			return err
		},
		"system unregister": func() error {
			_, err := c.SystemSharedMemoryUnregister(ctx, &pb.SystemSharedMemoryUnregisterRequest{})
			return err
		},
		"cuda status": func() error {
			_, err := c.CudaSharedMemoryStatus(ctx, &pb.CudaSharedMemoryStatusRequest{})
			return err
		},
		"cuda register": func() error {
			_, err := c.CudaSharedMemoryRegister(ctx, &pb.CudaSharedMemoryRegisterRequest{})
			return err
		},
		"cuda unregister": func() error {
			_, err := c.CudaSharedMemoryUnregister(ctx, &pb.CudaSharedMemoryUnregisterRequest{})
			return err
		},
		"trace": func() error { _, err := c.TraceSetting(ctx, &pb.TraceSettingRequest{}); return err },
		"log":   func() error { _, err := c.LogSettings(ctx, &pb.LogSettingsRequest{}); return err },
	} {
		s := status.Convert(call())
		if s.Code() != codes.Unimplemented || len(s.Message()) < len("shared memory is not supported") {
			t.Errorf("%s: got %s %q", name, s.Code(), s.Message())
		}
	}
}
