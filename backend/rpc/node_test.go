package rpc_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ganglion/backend"
	"ganglion/backend/onnx"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/rpc"
	"ganglion/internal/oip/pb"
	"ganglion/internal/onnxfile"
)

// realNode runs a node with the real engine and both its faces on the models of dir, until the test ends.
func realNode(t *testing.T, dir string) (c pb.GRPCInferenceServiceClient, url string) {
	t.Helper()
	engine, err := onnx.New(onnx.Config{Library: onnxtest.Library(t), Device: "cpu", Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg := backend.DefaultConfig()
	cfg.Models, cfg.Version = dir, "test"
	node, err := backend.New(cfg, engine, log)
	if err != nil {
		t.Fatal(err)
	}
	var listeners [2]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	server := rpc.New(rpc.DefaultConfig(), node, log)
	node.Observe(server)
	node.Beside("grpc", func(ctx context.Context) error { return server.Run(ctx, listeners[1]) })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx, listeners[0]) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the node stopped with %v", err)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	c = client(t, served{address: listeners[1].Addr().String()})
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		reply, err := c.ServerReady(within(t), &pb.ServerReadyRequest{})
		if err == nil && reply.GetReady() {
			return c, "http://" + listeners[0].Addr().String()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the node is not ready: %v (%v)", reply, err)
		}
	}
}

// elements are the datatypes that ONNX has too.
func elements() map[string]onnxfile.ElementType {
	return map[string]onnxfile.ElementType{
		"BOOL": onnxfile.Bool, "UINT8": onnxfile.Uint8, "UINT16": onnxfile.Uint16, "UINT32": onnxfile.Uint32, "UINT64": onnxfile.Uint64,
		"INT8": onnxfile.Int8, "INT16": onnxfile.Int16, "INT32": onnxfile.Int32, "INT64": onnxfile.Int64,
		"FP16": onnxfile.Float16, "BF16": onnxfile.BFloat16, "FP32": onnxfile.Float, "FP64": onnxfile.Double, "BYTES": onnxfile.String,
	}
}

// TestModelsGiveBackEveryDatatype: through the real engine, alone and on a stream.
func TestModelsGiveBackEveryDatatype(t *testing.T) {
	dir := t.TempDir()
	for name, element := range elements() {
		onnxtest.WriteAt(t, onnxtest.Identity(element, onnxtest.Batch(), onnxfile.Fixed(1)), filepath.Join(dir, strings.ToLower(name), "1", "model.onnx"))
	}
	c, _ := realNode(t, dir)
	stream := openStream(within(t), t, c)
	for _, tensor := range tensors() {
		request := &pb.ModelInferRequest{
			ModelName: strings.ToLower(tensor.datatype), Id: tensor.datatype,
			Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: tensor.datatype, Shape: []int64{2, 1}}},
			RawInputContents: [][]byte{tensor.raw},
		}
		reply, err := c.ModelInfer(within(t), request)
		if err != nil {
			t.Errorf("%s: %v", tensor.datatype, err)
			continue
		}
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
		streamed, err := stream.Recv()
		if err != nil || streamed.GetErrorMessage() != "" {
			t.Fatalf("%s: %v (%v)", tensor.datatype, streamed, err)
		}
		for _, r := range []*pb.ModelInferResponse{reply, streamed.GetInferResponse()} {
			if r.GetModelVersion() != "1" || r.GetId() != tensor.datatype || r.GetOutputs()[0].GetName() != "y" ||
				!slices.Equal(r.GetOutputs()[0].GetShape(), []int64{2, 1}) || !bytes.Equal(r.GetRawOutputContents()[0], tensor.raw) {
				t.Errorf("%s: got %v, want %v", tensor.datatype, r, tensor.raw)
			}
		}
	}
}

// TestBothFacesAreOneNode: what one has loaded, counted and refused, the other knows.
func TestBothFacesAreOneNode(t *testing.T) {
	c, url := realNode(t, filepath.Join(onnxtest.Root(t), "models"))
	ctx := within(t)
	iris := &pb.ModelInferRequest{ModelName: "iris", Inputs: []*pb.ModelInferRequest_InferInputTensor{{
		Name: "measurements", Datatype: "FP32", Shape: []int64{1, 4},
		Contents: &pb.InferTensorContents{Fp32Contents: []float32{5.1, 3.5, 1.4, 0.2}},
	}}}
	for range 3 {
		if _, err := c.ModelInfer(ctx, iris); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := c.ModelStatistics(ctx, &pb.ModelStatisticsRequest{Name: "iris"})
	if err != nil || len(stats.GetModelStats()) != 1 || stats.GetModelStats()[0].GetInferenceStats().GetSuccess().GetCount() != 3 {
		t.Errorf("got %v (%v), want 3 successes", stats, err)
	}
	broken := &pb.ModelInferRequest{ModelName: "iris", Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP99"}}}
	if _, err := c.ModelInfer(ctx, broken); status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
	waitMetric(t, url, `ganglion_node_requests_total{model="iris",status="200",version="1"} 3`)
	waitMetric(t, url, `ganglion_node_requests_total{model="iris",status="400",version="1"} 1`)
	waitMetric(t, url, `ganglion_node_grpc_calls_total{code="OK",method="/inference.GRPCInferenceService/ModelInfer"} 3`)
	waitMetric(t, url, `ganglion_node_grpc_calls_total{code="InvalidArgument",method="/inference.GRPCInferenceService/ModelInfer"} 1`)
	waitMetric(t, url, `ganglion_node_grpc_connections 1`)
	waitMetric(t, url, `ganglion_node_grpc_request_bytes 0`)
	config, err := c.ModelConfig(ctx, &pb.ModelConfigRequest{Name: "iris"})
	if err != nil || config.GetConfig().GetInput()[0].GetDataType() != pb.DataType_TYPE_FP32 || config.GetConfig().GetPlatform() != "onnxruntime_onnx" {
		t.Errorf("got %v (%v)", config, err)
	}
	metadata, err := c.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "iris", Version: "1"})
	if err != nil || !slices.Equal(metadata.GetInputs()[0].GetShape(), []int64{-1, 4}) {
		t.Errorf("got %v (%v)", metadata, err)
	}
	if _, err := c.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: "iris"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ModelInfer(ctx, iris); status.Code(err) == codes.OK {
		t.Error("an unloaded model answers")
	}
	if _, err := c.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{RepositoryName: "iris"}); err != nil { // as KServe's clients do
		t.Fatal(err)
	}
	if _, err := c.ModelInfer(ctx, iris); err != nil {
		t.Errorf("after it has been loaded again: %v", err)
	}
	_, err = c.ModelInfer(ctx, &pb.ModelInferRequest{ModelName: "nobody"})
	if s := status.Convert(err); s.Code() != codes.NotFound || !strings.HasPrefix(s.Message(), "Request for unknown model: 'nobody' is not found") {
		t.Errorf("got %v", err)
	}
}

// TestLeavingTakesARequestOutOfTheQueue: those that wait behind a slow run are gone before it ends.
func TestLeavingTakesARequestOutOfTheQueue(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Slow(5_000), filepath.Join(dir, "slow", "1", "model.onnx"))
	c, url := realNode(t, dir)
	const n = 512 // a run of five thousand steps takes seconds, on any machine
	request := &pb.ModelInferRequest{ModelName: "slow", Inputs: []*pb.ModelInferRequest_InferInputTensor{
		{Name: "x", Datatype: "FP32", Shape: []int64{n, n}},
	}, RawInputContents: [][]byte{make([]byte, 4*n*n)}}
	ctx, cancel := context.WithCancel(within(t))
	const calls = 8
	ended := make(chan error, calls)
	for range calls {
		go func() {
			_, err := c.ModelInfer(ctx, request)
			ended <- err
		}()
	}
	waitMetric(t, url, "ganglion_node_requests_in_flight 8")
	cancel()
	for range calls {
		if err := wait(t, ended, "the calls"); status.Code(err) != codes.Canceled {
			t.Errorf("got %v", err)
		}
	}
	waitMetric(t, url, "ganglion_node_requests_in_flight 0")
	waitMetric(t, url, `ganglion_node_requests_total{model="slow",status="499",version="1"} 8`)
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// waitMetric waits for a line of the node's metrics.
func waitMetric(t *testing.T, url, line string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		metrics := get(t, url+"/metrics")
		if strings.Contains(metrics, line+"\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %q in\n%s", line, metrics)
		}
	}
}
