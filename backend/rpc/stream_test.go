package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ganglion/backend/rpc"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

type inferStream = grpc.BidiStreamingClient[pb.ModelInferRequest, pb.ModelStreamInferResponse]

func openStream(ctx context.Context, t *testing.T, c pb.GRPCInferenceServiceClient) inferStream {
	t.Helper()
	stream, err := c.ModelStreamInfer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func send(t *testing.T, stream inferStream, id string) {
	t.Helper()
	if err := stream.Send(small(id)); err != nil {
		t.Fatal(err)
	}
}

// wantAnswer receives one answer.
func wantAnswer(t *testing.T, stream inferStream, id, failure string) {
	t.Helper()
	reply, err := stream.Recv()
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	answer := reply.GetInferResponse()
	if answer.GetId() != id || reply.GetErrorMessage() != failure || answer.GetModelName() != "m" {
		t.Errorf("got %v, want id %q and error %q", reply, id, failure)
	}
	if failure == "" && (len(answer.GetRawOutputContents()) != 1 || answer.GetRawOutputContents()[0][0] != 42) {
		t.Errorf("%s: got %v", id, answer)
	}
	if !answer.GetParameters()["triton_final_response"].GetBoolParam() {
		t.Errorf("%s: the answer is not marked as final: %v", id, answer)
	}
}

// TestAnswersComeInTheOrderOfRequests, whichever is ready first; a failure is an answer like others.
func TestAnswersComeInTheOrderOfRequests(t *testing.T) {
	node := newEcho()
	first := make(chan struct{})
	node.infer = func(_, _ string, r *oip.InferRequest) error {
		switch r.ID {
		case "0":
			<-first
		case "5":
			return oip.Errorf(oip.InvalidArgument, "bad 'x'")
		case "9":
			close(first) // the last is done before the first
		}
		return nil
	}
	stream := openStream(within(t), t, client(t, serve(t, node, nil)))
	for i := range 10 {
		send(t, stream, fmt.Sprint(i))
	}
	for i := range 10 {
		failure := ""
		if i == 5 {
			failure = "bad 'x'"
		}
		wantAnswer(t, stream, fmt.Sprint(i), failure)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
}

// TestAStreamGoesOnAfterWhatCannotBeRead.
func TestAStreamGoesOnAfterWhatCannotBeRead(t *testing.T) {
	conn := dial(t, serve(t, newEcho(), nil))
	stream, err := conn.NewStream(within(t), &pb.GRPCInferenceService_ServiceDesc.Streams[0],
		pb.GRPCInferenceService_ModelStreamInfer_FullMethodName, grpc.ForceCodecV2(passing{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []any{bytesMessage("\x0a\x05ab"), small("well")} {
		if err := stream.SendMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	var bad, good pb.ModelStreamInferResponse
	if err := errors.Join(stream.RecvMsg(&bad), stream.RecvMsg(&good)); err != nil {
		t.Fatal(err)
	}
	if bad.GetErrorMessage() == "" || good.GetErrorMessage() != "" || good.GetInferResponse().GetId() != "well" {
		t.Errorf("got %v, then %v", &bad, &good)
	}
}

// TestAStreamEndsWithAMessageThatIsTooLarge: what comes behind it cannot be found.
func TestAStreamEndsWithAMessageThatIsTooLarge(t *testing.T) {
	stream := openStream(within(t), t, client(t, serve(t, newEcho(), func(cfg *rpc.Config) { cfg.MaxMessage = conf.MiB })))
	send(t, stream, "first")
	wantAnswer(t, stream, "first", "")
	_ = stream.Send(large("second", 2<<20)) // Recv tells
	if _, err := stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
}

// TestAPanicOnAStreamEndsThatStream, and no other.
func TestAPanicOnAStreamEndsThatStream(t *testing.T) {
	node := newEcho()
	node.infer = func(_, _ string, r *oip.InferRequest) error {
		if r.ID == "bug" {
			panic("index out of range")
		}
		return nil
	}
	c := client(t, serve(t, node, nil))
	other, stream := openStream(within(t), t, c), openStream(within(t), t, c)
	send(t, stream, "bug")
	_, err := stream.Recv()
	wantStatus(t, err, codes.Internal, "the call failed: the node's log has the reason")
	send(t, other, "well")
	wantAnswer(t, other, "well", "")
}

// TestStrictStreamsEndWithTheFirstError, when the client has asked for that.
func TestStrictStreamsEndWithTheFirstError(t *testing.T) {
	node := newEcho()
	node.infer = func(string, string, *oip.InferRequest) error { return oip.Errorf(oip.NotFound, "no such model") }
	ctx := metadata.AppendToOutgoingContext(within(t), "triton_grpc_error", "true")
	stream := openStream(ctx, t, client(t, serve(t, node, nil)))
	send(t, stream, "a")
	_, err := stream.Recv()
	wantStatus(t, err, codes.NotFound, "no such model")
}

// TestAStreamIsPipelinedWithinBounds: many requests of one stream run at once, but not all that a client sends.
func TestAStreamIsPipelinedWithinBounds(t *testing.T) {
	node := newEcho()
	node.hold = make(chan struct{})
	stream := openStream(within(t), t, client(t, serve(t, node, nil)))
	const window = 64
	go func() {
		for i := range 3 * window {
			if stream.Send(small(fmt.Sprint(i))) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	for range window {
		wait(t, node.arrived, "a request")
	}
	if more := len(node.arrived); more > 1 { // one is worked on while the first one's answer is waited for
		t.Errorf("%d requests are worked on at once, want %d at most", window+more, window+1)
	}
	close(node.hold)
	for i := range 3 * window {
		wantAnswer(t, stream, fmt.Sprint(i), "")
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
}

// TestLeavingAStreamEndsItsRequests.
func TestLeavingAStreamEndsItsRequests(t *testing.T) {
	node := newEcho()
	node.hold = make(chan struct{})
	ctx, cancel := context.WithCancel(within(t))
	stream := openStream(ctx, t, client(t, serve(t, node, nil)))
	for i := range 3 {
		send(t, stream, fmt.Sprint(i))
	}
	for range 3 {
		wait(t, node.arrived, "a request")
	}
	cancel()
	for range 3 {
		wait(t, node.gone, "the end of a request")
	}
}

// TestADrainFinishesWhatAStreamHasAsked, and then ends the stream, which a client might keep open for hours.
func TestADrainFinishesWhatAStreamHasAsked(t *testing.T) {
	node := newEcho()
	node.hold = make(chan struct{})
	server := serve(t, node, nil)
	c := client(t, server)
	busy, idle := openStream(within(t), t, c), openStream(within(t), t, c)
	send(t, busy, "asked")
	wait(t, node.arrived, "the request")
	done := make(chan error, 1)
	go func() { done <- server.stop() }()
	_, err := idle.Recv()
	wantStatus(t, err, codes.Unavailable, "the node is shutting down")
	close(node.hold)
	wantAnswer(t, busy, "asked", "")
	_, err = busy.Recv()
	wantStatus(t, err, codes.Unavailable, "the node is shutting down")
	if err := wait(t, done, "the end of the server"); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
