package rpc_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"ganglion/backend/rpc"
	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// fasthttp, which a node answers REST with, has one goroutine of its own that keeps the Date header and is never stopped.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// patience is how long a test waits for what should take no time: a machine may stall.
const patience = 20 * time.Second

// echo is a node whose every model answers with its inputs, OUT of IN. Requests with a hold wait for it, or for the end of
// their context, which is then reported on gone.
type echo struct {
	ready   atomic.Bool
	hold    chan struct{} // nil = requests do not wait
	arrived chan string   // ids of requests that wait
	gone    chan string   // ids of requests whose context has ended
	refused chan string   // models and errors of requests that did not get here

	infer func(model, version string, r *oip.InferRequest) error // nil = nothing fails

	mu       sync.Mutex
	loaded   map[string]oip.LoadOptions
	unloaded map[string]bool
}

func newEcho() *echo {
	e := &echo{
		arrived: make(chan string, 1024), gone: make(chan string, 1024), refused: make(chan string, 1024),
		loaded: map[string]oip.LoadOptions{}, unloaded: map[string]bool{},
	}
	e.ready.Store(true)
	return e
}

func (e *echo) Infer(ctx context.Context, model, version string, r *oip.InferRequest, out *oip.InferResponse) (func(), error) {
	if e.infer != nil {
		if err := e.infer(model, version, r); err != nil {
			return nil, err
		}
	}
	if e.hold != nil {
		e.arrived <- r.ID
		select {
		case <-e.hold:
		case <-ctx.Done():
			e.gone <- r.ID
			return nil, ctx.Err()
		}
	}
	out.ModelName, out.ModelVersion, out.ID = model, "7", r.ID
	for _, in := range r.Inputs {
		in.Name = "out_" + in.Name
		out.Outputs = append(out.Outputs, oip.OutputTensor{Tensor: in})
	}
	return func() {}, nil
}

func (e *echo) Refused(model, _ string, err error) {
	select {
	case e.refused <- model + ": " + err.Error():
	default: // nobody looks
	}
}

func (e *echo) Limits() oip.Limits { return oip.DefaultLimits() }

func (e *echo) Ready() error {
	if e.ready.Load() {
		return nil
	}
	return oip.Errorf(oip.Unavailable, "the node is loading its models")
}

func (e *echo) Metadata() oip.ServerMetadata {
	return oip.ServerMetadata{Name: "ganglion", Version: "1", Extensions: []string{"statistics"}}
}

func (e *echo) ModelReady(model, _ string) error {
	if model != "m" {
		return oip.Errorf(oip.NotFound, "Request for unknown model: '%s' is not found", model)
	}
	return e.Ready()
}

func (e *echo) ModelMetadata(model, version string) (oip.ModelMetadata, error) {
	return oip.ModelMetadata{
		Name: model, Versions: []string{"7"}, Platform: "onnxruntime_onnx",
		Inputs:  []oip.TensorMetadata{{Name: "x", Datatype: oip.FP32, Shape: []int64{-1, 4}}},
		Outputs: []oip.TensorMetadata{{Name: "y", Datatype: oip.Bytes, Shape: []int64{-1}}},
	}, e.ModelReady(model, version)
}

func (e *echo) ModelConfig(model, version string) (*oip.ModelConfig, error) {
	level := int32(2)
	return &oip.ModelConfig{
		Name: model, Platform: "onnxruntime_onnx", Backend: "onnxruntime", MaxBatchSize: 8,
		VersionPolicy: &oip.VersionPolicy{Specific: []int64{3, 7}},
		Inputs:        []oip.ConfigInput{{Name: "x", Datatype: oip.FP32, Dims: []int64{4}, Reshape: []int64{}}},
		Outputs:       []oip.ConfigOutput{{Name: "y", Datatype: oip.Bytes, Dims: []int64{1}, LabelFilename: "labels.txt"}},
		Optimization:  &oip.ConfigOptimization{GraphLevel: &level},
		DynamicBatching: &oip.DynamicBatching{
			MaxQueueDelay:       500,
			PriorityQueuePolicy: map[uint64]oip.QueuePolicy{1: {TimeoutAction: "DELAY"}, 2: {MaxQueueSize: 9}},
		},
		InstanceGroups: []oip.InstanceGroup{{Kind: "KIND_GPU", Count: 2, GPUs: []int32{1}}},
		Parameters:     map[string]string{"k": "v"},
		Warmup: []oip.ConfigWarmup{{Name: "w", BatchSize: 1, Inputs: map[string]oip.WarmupInput{
			"x": {Datatype: oip.FP32, Dims: []int64{4}, ZeroData: true},
		}}},
	}, e.ModelReady(model, version)
}

func (e *echo) Statistics(model, _ string) ([]oip.ModelStatistics, error) {
	if model != "" && model != "m" {
		return nil, oip.Errorf(oip.InvalidArgument, "requested model '%s' is not available", model)
	}
	return []oip.ModelStatistics{{
		Name: "m", Version: "7", LastInference: 5, InferenceCount: 64, ExecutionCount: 1,
		Inference: oip.InferenceStatistics{Success: oip.StatisticDuration{Count: 3, NS: 9}},
		Batches:   []oip.BatchStatistics{{BatchSize: 64, ComputeInfer: oip.StatisticDuration{Count: 1, NS: 8}}},
		Memory:    []oip.MemoryUsage{{Type: "CPU", ByteSize: 11}},
	}}, nil
}

func (e *echo) Index(onlyReady bool) []oip.IndexEntry {
	list := []oip.IndexEntry{{Name: "m", Version: "7", State: oip.StateReady}}
	if !onlyReady {
		list = append(list, oip.IndexEntry{Name: "broken", State: oip.StateUnavailable, Reason: "cannot read \xff"})
	}
	return list
}

func (e *echo) LoadModel(_ context.Context, name string, opt oip.LoadOptions) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loaded[name] = opt
	return nil
}

func (e *echo) UnloadModel(_ context.Context, name string, dependents bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unloaded[name] = dependents
	return nil
}

// served is a server under test.
type served struct {
	address string
	stop    func() error // ends the server and returns what Run did; may be called more than once
}

// serve runs a server for node until the test ends.
func serve(t *testing.T, node rpc.Node, change func(*rpc.Config)) served {
	t.Helper()
	cfg := rpc.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.New(cfg, node, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, ln) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return served{ln.Addr().String(), stop}
}

// dial connects a client. Its connection is closed before the server is stopped.
func dial(t *testing.T, s served, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30)))
	conn, err := grpc.NewClient(s.address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// client is dial for the protocol's calls.
func client(t *testing.T, s served) pb.GRPCInferenceServiceClient {
	t.Helper()
	return pb.NewGRPCInferenceServiceClient(dial(t, s))
}

// within is a context that ends a test that hangs.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// wantStatus checks code and text of an error.
func wantStatus(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != code || s.Message() != text {
		t.Errorf("got %s %q, want %s %q", s.Code(), s.Message(), code, text)
	}
}

// wait returns what comes through c.
func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
		panic("unreachable")
	}
}

// small is a request for model m with one input of one byte.
func small(id string) *pb.ModelInferRequest {
	return &pb.ModelInferRequest{
		ModelName: "m", Id: id,
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "UINT8", Shape: []int64{1}}},
		RawInputContents: [][]byte{{42}},
	}
}

// eventually waits until happens does.
func eventually(t *testing.T, what string, happens func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !happens(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}
