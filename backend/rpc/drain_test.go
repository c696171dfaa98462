package rpc_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"ganglion/backend/rpc"
	"ganglion/internal/oip/pb"
)

// TestADrainLosesNoCall: what was taken is answered, what comes later is told to go elsewhere.
func TestADrainLosesNoCall(t *testing.T) {
	node := newEcho()
	node.hold = make(chan struct{})
	server := serve(t, node, nil)
	c := client(t, server)
	answered := make(chan error, 1)
	go func() {
		_, err := c.ModelInfer(within(t), small("taken"))
		answered <- err
	}()
	wait(t, node.arrived, "the call")
	done := make(chan error, 1)
	go func() { done <- server.stop() }()

	for refused := false; !refused; { // from some moment on
		ctx, cancel := context.WithTimeout(within(t), time.Second)
		_, err := c.ServerLive(ctx, &pb.ServerLiveRequest{})
		refused = status.Code(err) == codes.Unavailable
		cancel()
	}
	close(node.hold)
	if err := wait(t, answered, "the answer"); err != nil {
		t.Errorf("the call that had been taken: %v", err)
	}
	if err := wait(t, done, "the end of the server"); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestADrainDoesNotWaitForIdleStreams of services that are not ours.
func TestADrainDoesNotWaitForIdleStreams(t *testing.T) {
	server := serve(t, newEcho(), func(cfg *rpc.Config) { cfg.DrainTimeout = time.Hour })
	stream, err := grpc_reflection_v1.NewServerReflectionClient(dial(t, server)).ServerReflectionInfo(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // the stream is there, and idle now
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.stop() }()
	if err := wait(t, done, "the end of the server"); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	_, err = stream.Recv()
	wantStatus(t, err, codes.Unavailable, "the node is shutting down")
}

// TestADrainEndsInTime: a call that does not is cut, and said to have been.
func TestADrainEndsInTime(t *testing.T) {
	node := newEcho()
	node.hold = make(chan struct{})
	server := serve(t, node, func(cfg *rpc.Config) { cfg.DrainTimeout = 50 * time.Millisecond })
	c := client(t, server)
	answered := make(chan error, 1)
	go func() {
		_, err := c.ModelInfer(within(t), small("slow"))
		answered <- err
	}()
	wait(t, node.arrived, "the call")
	if err := server.stop(); err == nil || !strings.Contains(err.Error(), "still in flight after the drain timeout (50ms)") {
		t.Errorf("the server ended with %v", err)
	}
	if id := wait(t, node.gone, "the end of the call's context"); id != "slow" {
		t.Errorf("%q has left", id)
	}
	if err := wait(t, answered, "the answer"); status.Code(err) != codes.Unavailable {
		t.Errorf("the call that was cut: %v", err)
	}
}

// TestTooManyConnectionsAreClosed: those that are there go on.
func TestTooManyConnectionsAreClosed(t *testing.T) {
	server := serve(t, newEcho(), func(cfg *rpc.Config) { cfg.MaxConnections = 1 })
	first := dial(t, server)
	if _, err := pb.NewGRPCInferenceServiceClient(first).ServerLive(within(t), &pb.ServerLiveRequest{}); err != nil {
		t.Fatal(err)
	}
	second := pb.NewGRPCInferenceServiceClient(dial(t, server, grpc.WithConnectParams(grpc.ConnectParams{
		Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond},
	})))
	if _, err := second.ServerLive(within(t), &pb.ServerLiveRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("the second connection: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // until the server has noticed
		_, err := second.ServerLive(within(t), &pb.ServerLiveRequest{})
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the first has gone: %v", err)
		}
	}
}

// TestAServerThatIsStoppedAtOnce has not failed, although it has not begun either.
func TestAServerThatIsStoppedAtOnce(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for range 100 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := rpc.New(rpc.DefaultConfig(), newEcho(), slog.New(slog.DiscardHandler)).Run(ctx, ln); err != nil {
			t.Fatal(err)
		}
	}
}
