package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

func TestAnswersOnAStreamComeInOrder(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRoute, a, b)
	a.Handle(echo)
	b.Handle(func(w http.ResponseWriter, r *http.Request) { // slower, so that its answers would come late
		time.Sleep(2 * time.Millisecond)
		echo(w, r)
	})
	stream, err := e.calls().ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const messages = 100 // more than may be under way at once
	go func() {
		for i := range messages {
			if stream.Send(question("m", fmt.Sprint(i), 1+i%7)) != nil {
				return // the receiver below sees why
			}
		}
		_ = stream.CloseSend()
	}()
	for i := range messages {
		out, err := stream.Recv()
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if !out.GetInferResponse().GetParameters()["triton_final_response"].GetBoolParam() {
			t.Fatalf("answer %d is not marked as the last to its request: %v", i, out)
		}
		if got := out.GetInferResponse(); got.GetId() != fmt.Sprint(i) || out.GetErrorMessage() != "" || len(got.GetRawOutputContents()[0]) != 4*(1+i%7) {
			t.Fatalf("answer %d has id %q, %d bytes, error %q", i, got.GetId(), len(got.GetRawOutputContents()[0]), out.GetErrorMessage())
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last answer: %v", err)
	}
	if a.Requests() == 0 || b.Requests() == 0 {
		t.Errorf("the messages of one stream went to one node: %d and %d", a.Requests(), b.Requests())
	}
	if got := len(e.logged(messages)); got != messages {
		t.Errorf("%d lines for %d messages", got, messages)
	}
}

func TestAnErrorOnAStreamIsAnAnswer(t *testing.T) {
	n := echoNode(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\n", n)
	stream, err := e.calls().ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []*pb.ModelInferRequest{question("unheard-of", "a", 1), question("m", "b", 1)} {
		if err := stream.Send(in); err != nil {
			t.Fatal(err)
		}
	}
	failed, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if failed.GetErrorMessage() != "Request for unknown model: 'unheard-of' is not found" || failed.GetInferResponse().GetId() != "a" {
		t.Errorf("the answer to an unknown model: %v", failed)
	}
	good, err := stream.Recv()
	if err != nil || good.GetErrorMessage() != "" || good.GetInferResponse().GetId() != "b" {
		t.Errorf("the stream did not go on: %v, %v", good, err)
	}
}

func TestAClientMayAskForPlainErrorsOnAStream(t *testing.T) {
	n := echoNode(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\n", n)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "triton_grpc_error", "true")
	stream, err := e.calls().ModelStreamInfer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(question("unheard-of", "a", 1)); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantCode(t, err, codes.NotFound)
}

func TestACancelledStreamLeavesTheNodes(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	release := n.Hang()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := e.calls().ModelStreamInfer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := stream.Send(question("m", fmt.Sprint(i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "three requests at the node", func() bool { return n.Requests() == 3 })
	cancel()
	eventually(t, "the node to notice", func() bool { return n.Gone() == 3 })
	for _, line := range e.logged(3) {
		if line["reason"] != "client_gone" {
			t.Errorf("the log has %v", line)
		}
	}
	eventually(t, "nothing in flight", func() bool { return e.metric("ganglion_requests_in_flight") == 0 })
}

// A client that sends and never reads holds a window of messages, and no more.
func TestAStreamIsBounded(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	release := n.Hang()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := e.calls().ModelStreamInfer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const window = 32
	for i := range window + 20 {
		if err := stream.Send(question("m", fmt.Sprint(i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a full window", func() bool { return n.Requests() == window })
	release()
	for i := range window + 20 {
		if out, err := stream.Recv(); err != nil || out.GetErrorMessage() != "" {
			t.Fatalf("answer %d: %v, %v", i, out, err)
		}
	}
}

func TestAMessageTooLargeEndsItsStream(t *testing.T) {
	n := echoNode(t)
	e := start(t, "[server]\ndrain_delay = \"0s\"\nmax_body = \"64KiB\"\n"+oneNode+anyRoute, n)
	stream, err := e.calls().ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(question("m", "", 100_000)) // the stream may be over already
	_, err = stream.Recv()
	if text := wantCode(t, err, codes.ResourceExhausted); !strings.Contains(text, "larger than max") {
		t.Errorf("the client reads %q", text)
	}
	if line := e.logged(1)[0]; line["reason"] != "too_large" || line["protocol"] != "grpc" {
		t.Errorf("the log has %v", line)
	}
}
