package loadgen

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"ganglion/internal/oip/pb"
)

// gatewayOverGRPC answers every inference as a gateway does from its cache.
type gatewayOverGRPC struct {
	pb.UnimplementedGRPCInferenceServiceServer
}

func (gatewayOverGRPC) ModelMetadata(context.Context, *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	return &pb.ModelMetadataResponse{
		Name: "pair", Versions: []string{"1"},
		Inputs: []*pb.ModelMetadataResponse_TensorMetadata{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 4}}, {Name: "y", Datatype: "BYTES", Shape: []int64{-1, -1}}},
	}, nil
}

func (gatewayOverGRPC) ModelInfer(ctx context.Context, _ *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	md := metadata.Pairs("x-cache", "hit")
	if in, _ := metadata.FromIncomingContext(ctx); slices.Contains(in.Get("x-ganglion-timing"), "1") {
		md.Set("server-timing", "queue;dur=0.5, infer;dur=1.5, upstream;dur=3, edge;dur=4")
	}
	return &pb.ModelInferResponse{ModelName: "pair"}, grpc.SetHeader(ctx, md)
}

func TestGRPCAnswersSayWhereTheTimeWent(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterGRPCInferenceServiceServer(s, gatewayOverGRPC{})
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	r, err := Run(t.Context(), config("grpc://"+ln.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	if r.Answers == 0 || r.Failed != 0 || r.Cached != 1 {
		t.Errorf("%d answers, %d failed %v, cached %g", r.Answers, r.Failed, r.Errors, r.Cached)
	}
	if r.Path == nil || r.Path.Gateway != time.Millisecond || r.Path.Hop != time.Millisecond || r.Path.Node != 2*time.Millisecond {
		t.Errorf("path %+v, want 1 ms, 1 ms and 2 ms", r.Path)
	}
}
