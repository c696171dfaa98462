package rpc_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"

	"google.golang.org/grpc/codes"

	"ganglion/backend/rpc"
	"ganglion/internal/conf"
	"ganglion/internal/oip/pb"
)

// large is a request with a tensor of so many bytes.
func large(id string, size int) *pb.ModelInferRequest {
	request := small(id)
	request.Inputs[0].Shape[0] = int64(size)
	request.RawInputContents[0] = bytes.Repeat([]byte{42}, size)
	return request
}

// TestRequestsBeingWorkedOnAreBounded: those beyond are refused, counted, and welcome again later.
func TestRequestsBeingWorkedOnAreBounded(t *testing.T) {
	node := newEcho()
	node.hold = make(chan struct{})
	c := client(t, serve(t, node, func(cfg *rpc.Config) { cfg.MaxRequests = 5 * conf.MiB }))
	done := make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := c.ModelInfer(within(t), large(fmt.Sprint(i), 2<<20))
			done <- err
		}()
		wait(t, node.arrived, "a request")
	}
	_, err := c.ModelInfer(within(t), large("third", 2<<20))
	wantStatus(t, err, codes.Unavailable, "the requests being worked on take more than 5MiB; try again")
	if got := wait(t, node.refused, "the count"); got != "m: the requests being worked on take more than 5MiB; try again" {
		t.Errorf("counted %q", got)
	}
	close(node.hold)
	for range 2 {
		if err := wait(t, done, "an answer"); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.ModelInfer(within(t), large("later", 2<<20)); err != nil {
		t.Errorf("later: %v", err)
	}
}

// TestAnswersNobodyReadsAreBounded: a stream whose client does not read holds answers; other clients get theirs again when it
// has gone.
func TestAnswersNobodyReadsAreBounded(t *testing.T) {
	server := serve(t, newEcho(), func(cfg *rpc.Config) { cfg.MaxAnswers = 8 * conf.MiB })
	lazy := dial(t, server)
	stream := openStream(within(t), t, pb.NewGRPCInferenceServiceClient(lazy))
	for i := range 4 {
		if err := stream.Send(large(fmt.Sprint(i), 3<<20)); err != nil { // nobody calls Recv
			t.Fatal(err)
		}
	}
	c := client(t, server)
	const refusal = "answers that are being read take more than 8MiB; try again"
	eventually(t, "a refusal", func() bool {
		_, err := c.ModelInfer(within(t), large("", 3<<20))
		if err != nil {
			wantStatus(t, err, codes.Unavailable, refusal)
		}
		return err != nil
	})
	if err := lazy.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer", func() bool {
		_, err := c.ModelInfer(within(t), large("", 3<<20))
		return err == nil
	})
}

// TestLostBuffersAreFound: the bound does not wear away with connections that break.
func TestLostBuffersAreFound(t *testing.T) {
	server := rpc.New(rpc.DefaultConfig(), newEcho(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err := server.LendAndForget(1 << 20); err != nil || server.AnswerBytes() != 1<<20 {
		t.Fatalf("holds %d bytes (%v)", server.AnswerBytes(), err)
	}
	eventually(t, "the bytes to come back", func() bool {
		runtime.GC()
		return server.AnswerBytes() == 0
	})
}
