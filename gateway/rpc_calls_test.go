package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

func TestTheOtherCallsAreAnsweredAsOverREST(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\n", n)
	client, ctx := e.calls(), t.Context()
	n.Handle(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/models/m":
			fmt.Fprint(w, `{"name":"m","versions":["1","2"],"platform":"p","extra":{},"inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}],"outputs":[]}`)
		case "/v2/models/m/versions/2/config":
			fmt.Fprint(w, `{"name":"m","max_batch_size":8,"input":[{"name":"x","data_type":"TYPE_FP32","dims":[3]}],"dynamic_batching":{"max_queue_delay_microseconds":100}}`)
		default:
			http.NotFound(w, r)
		}
	})
	if live, err := client.ServerLive(ctx, &pb.ServerLiveRequest{}); err != nil || !live.GetLive() {
		t.Errorf("live: %v, %v", live, err)
	}
	if ready, err := client.ServerReady(ctx, &pb.ServerReadyRequest{}); err != nil || !ready.GetReady() {
		t.Errorf("ready: %v, %v", ready, err)
	}
	if about, err := client.ServerMetadata(ctx, &pb.ServerMetadataRequest{}); err != nil || about.GetName() != "ganglion" || about.GetVersion() != "test" {
		t.Errorf("server metadata: %v, %v", about, err)
	}
	about, err := client.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "m"})
	if err != nil || about.GetPlatform() != "p" || len(about.GetVersions()) != 2 || about.GetInputs()[0].GetShape()[0] != -1 {
		t.Errorf("metadata: %v, %v", about, err)
	}
	config, err := client.ModelConfig(ctx, &pb.ModelConfigRequest{Name: "m", Version: "2"})
	if err != nil || config.GetConfig().GetMaxBatchSize() != 8 || config.GetConfig().GetInput()[0].GetDataType() != pb.DataType_TYPE_FP32 ||
		config.GetConfig().GetDynamicBatching().GetMaxQueueDelayMicroseconds() != 100 {
		t.Errorf("config: %v, %v", config, err)
	}
	_, err = client.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "unheard-of"})
	wantCode(t, err, codes.NotFound)
	_, err = client.ModelConfig(ctx, &pb.ModelConfigRequest{Name: "m", Version: "x.y"})
	wantCode(t, err, codes.InvalidArgument)
	_, err = client.SystemSharedMemoryStatus(ctx, &pb.SystemSharedMemoryStatusRequest{})
	if text := wantCode(t, err, codes.Unimplemented); !strings.Contains(text, "shared memory") {
		t.Errorf("shared memory: %q", text)
	}
	_, err = client.TraceSetting(ctx, &pb.TraceSettingRequest{})
	wantCode(t, err, codes.Unimplemented)
	_, err = client.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{RepositoryName: "elsewhere"})
	wantCode(t, err, codes.Unimplemented)
}

// What is not ready is not ready; that is no error.
func TestModelReady(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\n", n)
	client := e.calls()
	for name, want := range map[string]bool{"m": true, "unheard-of": false, "a/b": false} {
		out, err := client.ModelReady(t.Context(), &pb.ModelReadyRequest{Name: name})
		if err != nil || out.GetReady() != want {
			t.Errorf("%q: %v, %v", name, out, err)
		}
	}
	_, err := client.ModelReady(t.Context(), &pb.ModelReadyRequest{Name: "m", Version: "-1"})
	wantCode(t, err, codes.InvalidArgument)
}

func TestHealthFollowsTheRoute(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\n", n)
	client := grpc_health_v1.NewHealthClient(e.dial())
	for _, service := range []string{"", "inference.GRPCInferenceService", "m"} {
		out, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || out.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", service, out, err)
		}
	}
	_, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "unheard-of"})
	wantCode(t, err, codes.NotFound)

	watch, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "m"})
	if err != nil {
		t.Fatal(err)
	}
	next := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if out, err := watch.Recv(); err != nil || out.GetStatus() != want {
			t.Fatalf("the watcher hears %v, %v; want %v", out, err, want)
		}
	}
	next(grpc_health_v1.HealthCheckResponse_SERVING)
	n.SetReady(false)
	next(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	n.SetReady(true)
	next(grpc_health_v1.HealthCheckResponse_SERVING)

	other, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "unheard-of"})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := other.Recv(); err != nil || out.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
		t.Errorf("an unknown service: %v, %v", out, err)
	}
}

func TestReflectionNamesTheService(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	stream, err := grpc_reflection_v1.NewServerReflectionClient(e.dial()).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(in *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(in); err != nil {
			t.Fatal(err)
		}
		out, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	list := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	if !strings.Contains(list.String(), "inference.GRPCInferenceService") {
		t.Errorf("the services: %v", list)
	}
	file := ask(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "inference.GRPCInferenceService"},
	})
	if len(file.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("no description: %v", file)
	}
}

func TestADrainLetsCallsFinish(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	release := n.Hang()
	conn := e.dial()
	client := pb.NewGRPCInferenceServiceClient(conn)
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	idle, err := client.ModelStreamInfer(t.Context()) // a stream that would never end by itself
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := client.ModelInfer(context.Background(), question("m", "", 1))
		done <- err
	}()
	eventually(t, "the request at the node", func() bool { return n.Requests() == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- e.stop() }()
	_, err = idle.Recv()
	wantCode(t, err, codes.Unavailable)
	for err = nil; err == nil; { // NOT_SERVING, if it was noticed in time, and then the end
		_, err = watch.Recv()
	}
	wantCode(t, err, codes.Unavailable)
	select {
	case err := <-stopped:
		t.Fatalf("the gateway stopped with a call in flight: %v", err)
	default:
	}
	release()
	if err := <-done; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the drain: %v", err)
	}
}

func TestARefusalOverGRPCSaysWhenToComeBack(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.SetReady(false)
	eventually(t, "the node down", func() bool { return e.gateway.Ready() != nil })
	n.Stop()
	var header, trailer metadata.MD
	client := e.calls()
	eventually(t, "a refusal", func() bool {
		_, err := client.ModelInfer(t.Context(), question("m", "", 1), grpc.Header(&header), grpc.Trailer(&trailer))
		return err != nil && len(append(header.Get("retry-after"), trailer.Get("retry-after")...)) > 0
	})
}

func TestNoPortMeansNoGRPC(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, "[server]\ndrain_delay = \"0s\"\ngrpc = \"\"\n"+oneNode+anyRoute, n)
	if e.rpc != "" || e.gateway.rpc != nil {
		t.Error("there is a gRPC server")
	}
	e.infer().want(t, 200)
}

// A connection that never says that it speaks HTTP/2 does not stay.
func TestASilentConnectionIsClosed(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, "[server]\ndrain_delay = \"0s\"\nread_timeout = \"200ms\"\n"+oneNode+anyRoute, n)
	c, err := net.Dial("tcp", e.rpc)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for err == nil { // the server's own preface may come first
		_, err = c.Read(make([]byte, 1024))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
}

// A call whose message never comes does not stay.
func TestACallWithoutAMessageEnds(t *testing.T) {
	t.Parallel() // it waits
	n := echoNode(t)
	e := start(t, "[server]\ndrain_delay = \"0s\"\nwrite_timeout = \"1s\"\n"+oneNode+anyRoute, n)
	conn := e.dial()
	for _, method := range []string{"ModelInfer", "ModelMetadata"} {
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/inference.GRPCInferenceService/"+method)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(new(pb.ModelInferResponse)); err == nil {
			t.Errorf("%s was answered without having been asked", method)
		}
	}
	// The same limit does not hold for answers.
	n.SetDelay(2 * time.Second)
	if _, err := pb.NewGRPCInferenceServiceClient(conn).ModelInfer(t.Context(), question("m", "", 1)); err != nil {
		t.Errorf("a slow answer: %v", err)
	}
}

// What breaks grpc's own rules is the client's doing, and no bug of ours.
func TestACallThatBreaksTheRulesIsABadRequest(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	stream, err := e.dial().NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, pb.GRPCInferenceService_ModelInfer_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil { // without a message
		t.Fatal(err)
	}
	wantCode(t, stream.RecvMsg(new(pb.ModelInferResponse)), codes.Internal)
	if line := e.logged(1)[0]; line["reason"] != "bad_request" || line["status"] != 400.0 {
		t.Errorf("the log has %v", line)
	}
}

func TestCallsThatThereAreNotAreWrittenDown(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	for _, method := range []string{"/inference.GRPCInferenceService/Guess", "/other.Service/Guess"} {
		err := e.dial().Invoke(t.Context(), method, &pb.ServerLiveRequest{}, &pb.ServerLiveResponse{})
		wantCode(t, err, codes.Unimplemented)
	}
	for _, line := range e.logged(2) {
		if line["reason"] != "not_found" || line["grpc"] != "Unimplemented" || !strings.HasSuffix(line["path"].(string), "/Guess") {
			t.Errorf("the log has %v", line)
		}
	}
}
