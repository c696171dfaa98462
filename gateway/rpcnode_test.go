package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

// rpcServer is a node that only speaks gRPC. It answers inferences with their inputs.
type rpcServer struct {
	pb.UnimplementedGRPCInferenceServiceServer
	address string
	asked   atomic.Int64
	left    atomic.Int64
	hang    atomic.Bool
	seen    func(ctx context.Context) // nil = nobody looks
	server  *grpc.Server

	mu   sync.Mutex
	fail error
	last *pb.ModelInferRequest
	md   metadata.MD
	load *pb.RepositoryModelLoadRequest
}

func startRPCNode(t testing.TB, opts ...grpc.ServerOption) *rpcServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveRPCNode(t, ln, opts...)
}

func serveRPCNode(t testing.TB, ln net.Listener, opts ...grpc.ServerOption) *rpcServer {
	t.Helper()
	n := &rpcServer{address: ln.Addr().String()}
	n.server = serveGRPC(t, ln, n, append(opts, grpc.MaxRecvMsgSize(64<<20))...)
	return n
}

// serveGRPC has what answers the protocol served until the test ends.
func serveGRPC(t testing.TB, ln net.Listener, service pb.GRPCInferenceServiceServer, opts ...grpc.ServerOption) *grpc.Server {
	server := grpc.NewServer(append(opts, grpc.WaitForHandlers(true))...)
	pb.RegisterGRPCInferenceServiceServer(server, service)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return server
}

func (n *rpcServer) failWith(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}

func (n *rpcServer) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: true}, nil
}

func (n *rpcServer) ModelInfer(ctx context.Context, in *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	n.mu.Lock()
	n.last = in
	n.md, _ = metadata.FromIncomingContext(ctx)
	fail := n.fail
	n.mu.Unlock()
	n.asked.Add(1)
	if n.seen != nil {
		n.seen(ctx)
	}
	if n.hang.Load() {
		<-ctx.Done()
		n.left.Add(1)
		return nil, ctx.Err()
	}
	if fail != nil {
		return nil, fail
	}
	out := &pb.ModelInferResponse{ModelName: in.GetModelName(), ModelVersion: in.GetModelVersion(), Id: in.GetId(), RawOutputContents: in.GetRawInputContents()}
	for _, t := range in.GetInputs() {
		out.Outputs = append(out.Outputs, &pb.ModelInferResponse_InferOutputTensor{Name: t.GetName(), Datatype: t.GetDatatype(), Shape: t.GetShape()})
	}
	return out, nil
}

func (n *rpcServer) ModelMetadata(_ context.Context, in *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	return &pb.ModelMetadataResponse{Name: in.GetName(), Versions: []string{"1"}, Platform: "p", Inputs: []*pb.ModelMetadataResponse_TensorMetadata{
		{Name: "x", Datatype: "FP32", Shape: []int64{-1, 4}},
	}}, nil
}

func (n *rpcServer) ModelReady(_ context.Context, in *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	return &pb.ModelReadyResponse{Ready: in.GetVersion() != "9"}, nil
}

func (n *rpcServer) ModelConfig(_ context.Context, in *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	return &pb.ModelConfigResponse{Config: &pb.ModelConfig{Name: in.GetName(), MaxBatchSize: 8, Input: []*pb.ModelInput{{Name: "x", DataType: pb.DataType_TYPE_FP32, Dims: []int64{1 << 40}}}}}, nil
}

func (n *rpcServer) ModelStatistics(_ context.Context, in *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	return &pb.ModelStatisticsResponse{ModelStats: []*pb.ModelStatistics{{Name: in.GetName(), Version: "1", InferenceCount: 1 << 60, InferenceStats: &pb.InferStatistics{}}}}, nil
}

func (n *rpcServer) RepositoryModelLoad(_ context.Context, in *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.load = in
	return &pb.RepositoryModelLoadResponse{}, nil
}

// rpcPool is a pool of nodes that speak gRPC.
func rpcPool(nodes ...*rpcServer) string {
	var list []string
	for _, n := range nodes {
		list = append(list, `{ address = "`+n.address+`", protocol = "grpc" }`)
	}
	return "[pools.main]\npolicy = \"round_robin\"\nnodes = [" + strings.Join(list, ", ") + "]\n" + fastHealth
}

func TestMessagesPassToAGRPCNodeAsTheyAre(t *testing.T) {
	n := startRPCNode(t)
	e := start(t, rpcPool(n)+"[routes.m]\npool = \"main\"\nversion = \"7\"\n")
	in := question("m", "q", 100_000)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-custom", "kept")
	out, err := e.calls().ModelInfer(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.GetRawOutputContents()[0], in.GetRawInputContents()[0]) || out.GetId() != "q" {
		t.Error("the answer is not what was sent")
	}
	if n.last.GetModelVersion() != "7" || n.last.GetModelName() != "m" {
		t.Errorf("the node is asked for version %q of %q, want the route's", n.last.GetModelVersion(), n.last.GetModelName())
	}
	if got := n.md.Get("x-custom"); len(got) != 1 || got[0] != "kept" {
		t.Errorf("the node gets x-custom %q", got)
	}
}

func TestRESTReachesAGRPCNode(t *testing.T) {
	n := startRPCNode(t)
	e := start(t, rpcPool(n)+anyRoute)
	got := e.do("POST", inferPath, `{"id":"q","inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1.5,-2]}]}`).want(t, 200)
	if !strings.Contains(got.body, `"id":"q"`) || !strings.Contains(got.body, `"data":[1.5,-2`) || got.header.Get(headerInferLength) != "" {
		t.Errorf("as JSON: %v %q", got.header, got.body)
	}
	json := `{"inputs":[{"name":"x","datatype":"FP16","shape":[3],"parameters":{"binary_data_size":6}}],"parameters":{"binary_data_output":true}}`
	got = e.do("POST", inferPath, json+"abcdef", headerInferLength+": "+strconv.Itoa(len(json))).want(t, 200)
	length, _ := strconv.Atoi(got.header.Get(headerInferLength))
	if length == 0 || got.body[length:] != "abcdef" {
		t.Errorf("as binary data: %v %q", got.header, got.body)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte(inferBody))
	_ = w.Close()
	e.do("POST", inferPath, zipped.String(), "Content-Encoding: gzip").want(t, 200)
	e.do("POST", inferPath, "not compressed", "Content-Encoding: gzip").want(t, 400)
	e.do("POST", inferPath, inferBody, "Content-Encoding: br").want(t, 501)
	e.do("POST", inferPath, "{").want(t, 400)
	// FP16 has no form in JSON, in either direction.
	e.do("POST", inferPath, strings.Replace(json, "true", "false", 1)+"abcdef", headerInferLength+": "+strconv.Itoa(len(json)+1)).want(t, 400)
	e.do("POST", inferPath, "raw", headerInferLength+": 0").want(t, 400)
}

func TestTheOtherCallsReachAGRPCNode(t *testing.T) {
	n := startRPCNode(t)
	e := start(t, rpcPool(n)+anyRoute)
	if got := e.do("GET", "/v2/models/m", "").want(t, 200); got.body != `{"name":"m","versions":["1"],"platform":"p","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"outputs":[]}` {
		t.Errorf("metadata: %s", got.body)
	}
	e.do("GET", "/v2/models/m/ready", "").want(t, 200)
	e.do("GET", "/v2/models/m/versions/9/ready", "").want(t, 503)
	if got := e.do("GET", "/v2/models/m/config", "").want(t, 200); !strings.Contains(got.body, `"data_type":"TYPE_FP32"`) || !strings.Contains(got.body, `"dims":[1099511627776]`) {
		t.Errorf("config: %s", got.body)
	}
	stats := e.do("GET", "/v2/models/m/stats", "").want(t, 200)
	if !strings.Contains(stats.body, `"inference_count":1152921504606846976`) || !strings.Contains(stats.body, `"cache_miss":{"count":0,"ns":0}`) {
		t.Errorf("statistics: %s", stats.body)
	}
	e.do("POST", "/v1/models/m:predict", `{"instances":[1]}`).want(t, 501)
	e.do("POST", "/v2/repository/models/m/load", `{"parameters":{"config":"{}","file:1/model.onnx":"AAEC"}}`).want(t, 200)
	if p := n.load.GetParameters(); n.load.GetModelName() != "m" || p["config"].GetStringParam() != "{}" || !bytes.Equal(p["file:1/model.onnx"].GetBytesParam(), []byte{0, 1, 2}) {
		t.Errorf("the node is told to load %v", n.load)
	}
}

func TestAFailureOfAGRPCNodeIsJudgedLikeAny(t *testing.T) {
	bad, good := startRPCNode(t), startRPCNode(t)
	e := start(t, rpcPool(bad, good)+anyRoute)
	client := e.calls()
	for _, code := range []codes.Code{codes.Unavailable, codes.Internal, codes.ResourceExhausted} {
		bad.failWith(status.Error(code, "the node's words"))
		for range 2 {
			if _, err := client.ModelInfer(t.Context(), question("m", "", 1)); err != nil {
				t.Errorf("%v was not tried elsewhere: %v", code, err)
			}
		}
	}
	good.failWith(status.Error(codes.InvalidArgument, "not like this"))
	bad.failWith(status.Error(codes.InvalidArgument, "not like this"))
	_, err := client.ModelInfer(t.Context(), question("m", "", 1))
	if text := wantCode(t, err, codes.InvalidArgument); text != "not like this" {
		t.Errorf("the client reads %q", text)
	}
	if got := e.infer().want(t, 400); got.message() != "not like this" {
		t.Errorf("over REST the client reads %q", got.body)
	}
}

func TestADeadGRPCNodeIsNamedNowhere(t *testing.T) {
	n := testnode.Start(t)
	e := launch(t, "[pools.main]\nnodes = [{ address = \"%s\", protocol = \"grpc\" }]\n"+fastHealth+anyRoute, n)
	n.Stop()
	_, err := e.calls().ModelInfer(t.Context(), question("m", "", 1))
	if text := wantCode(t, err, codes.Unavailable); strings.Contains(text, "127.0.0.1") {
		t.Errorf("the client reads %q", text)
	}
}

// A connection that cannot be made is nobody's death: with one attempt allowed for a request that nodes have had, three dead
// nodes cost it none, and the fourth answers.
func TestGRPCNodesThatNobodyReachesCostNoAttempt(t *testing.T) {
	var nodes []*rpcServer
	var addresses []any
	for range 4 {
		n := startRPCNode(t)
		nodes, addresses = append(nodes, n), append(addresses, n.address)
	}
	grpcNode := "{ address = %q, protocol = \"grpc\" }, "
	pool := fmt.Sprintf("[pools.main]\npolicy = \"round_robin\"\nnodes = ["+strings.Repeat(grpcNode, 4)+"]\n", addresses...)
	// Probes are to say nothing about the dead during the test, and circuits are to stay closed.
	pool += "[pools.main.health]\ninterval = \"1h\"\ndoubt_interval = \"1h\"\n[pools.main.retry]\nattempts = 1\n"
	e := start(t, pool+anyRoute)
	for _, n := range nodes[:3] {
		n.server.Stop()
	}
	for range 4 {
		e.infer().want(t, 200)
	}
}

func TestCancelReachesAGRPCNode(t *testing.T) {
	n := startRPCNode(t)
	n.hang.Store(true)
	e := start(t, rpcPool(n)+anyRoute)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := e.calls().ModelInfer(ctx, question("m", "", 1))
		done <- err
	}()
	eventually(t, "the call at the node", func() bool { return n.asked.Load() == 1 })
	cancel()
	wantCode(t, <-done, codes.Canceled)
	eventually(t, "the node to notice", func() bool { return n.left.Load() == 1 })

	for limit := 100 * time.Millisecond; n.asked.Load() == 1; limit *= 2 { // long enough to get there at all
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := e.calls().ModelInfer(ctx, question("m", "", 1))
		cancel()
		wantCode(t, err, codes.DeadlineExceeded)
	}
	eventually(t, "the node to notice", func() bool { return n.left.Load() == n.asked.Load() })
}

// Typed contents, which few clients send, arrive at a plain node as data.
func TestTypedContentsReachAPlainNode(t *testing.T) {
	n := echoNode(t)
	e := start(t, oneNode+anyRoute, n)
	in := &pb.ModelInferRequest{
		ModelName:  "m",
		Parameters: map[string]*pb.InferParameter{"triton_enable_empty_final_response": {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}}},
		Inputs: []*pb.ModelInferRequest_InferInputTensor{{
			Name: "x", Datatype: "INT32", Shape: []int64{2}, Contents: &pb.InferTensorContents{IntContents: []int32{-1, 2}},
		}},
	}
	out, err := e.calls().ModelInfer(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0xffffffff), 2)
	if !bytes.Equal(out.GetRawOutputContents()[0], want) {
		t.Errorf("got %v, want %v", out.GetRawOutputContents(), want)
	}
	if sent := n.Last(); strings.Contains(string(sent.Body), "triton_") || sent.Header.Get(oip.HeaderLengthName) == "" {
		t.Errorf("the node gets %v %q", sent.Header, sent.Body)
	}
}
