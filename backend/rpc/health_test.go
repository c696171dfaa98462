package rpc_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
)

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
	unknown    = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
)

func TestHealthIsTheNodesAndEachModels(t *testing.T) {
	node := newEcho()
	c := healthpb.NewHealthClient(dial(t, serve(t, node, nil)))
	for _, ready := range []bool{true, false} {
		node.ready.Store(ready)
		want := map[bool]healthpb.HealthCheckResponse_ServingStatus{true: serving, false: notServing}[ready]
		for _, service := range []string{"", "inference.GRPCInferenceService", "m"} {
			reply, err := c.Check(within(t), &healthpb.HealthCheckRequest{Service: service})
			if err != nil || reply.GetStatus() != want {
				t.Errorf("%q: got %v (%v), want %v", service, reply.GetStatus(), err, want)
			}
		}
	}
	_, err := c.Check(within(t), &healthpb.HealthCheckRequest{Service: "nobody"})
	wantStatus(t, err, codes.NotFound, "unknown service: neither the protocol's nor a model's name")
	list, err := c.List(within(t), &healthpb.HealthListRequest{})
	if err != nil || list.GetStatuses()[""].GetStatus() != notServing {
		t.Errorf("got %v (%v)", list, err)
	}
}

// TestWatchFollowsReadiness, and says that the node leaves.
func TestWatchFollowsReadiness(t *testing.T) {
	node := newEcho()
	server := serve(t, node, nil)
	c := healthpb.NewHealthClient(dial(t, server))
	watch := func(service string) func(healthpb.HealthCheckResponse_ServingStatus) {
		stream, err := c.Watch(within(t), &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return func(want healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			reply, err := stream.Recv()
			if err != nil || reply.GetStatus() != want {
				t.Errorf("%q: got %v (%v), want %v", service, reply.GetStatus(), err, want)
			}
		}
	}
	whole, model := watch(""), watch("m")
	whole(serving)
	model(serving)
	watch("nobody")(unknown)
	node.ready.Store(false)
	whole(notServing)
	model(notServing)
	node.ready.Store(true)
	whole(serving)
	model(serving)
	if err := server.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	whole(notServing)
	model(notServing)
}

// TestReflectionNamesTheProtocol: grpcurl and its kind need no .proto file.
func TestReflectionNamesTheProtocol(t *testing.T) {
	stream, err := grpc_reflection_v1.NewServerReflectionClient(dial(t, serve(t, newEcho(), nil))).ServerReflectionInfo(within(t))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(r *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	list := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	names := map[string]bool{}
	for _, service := range list.GetListServicesResponse().GetService() {
		names[service.GetName()] = true
	}
	if !names["inference.GRPCInferenceService"] || !names["grpc.health.v1.Health"] {
		t.Errorf("got services %v", names)
	}
	file := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{
		FileContainingSymbol: "inference.GRPCInferenceService.ModelInfer",
	}})
	if len(file.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("got %v", file)
	}
}
