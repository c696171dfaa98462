package gateway

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"ganglion/internal/oip/pb"
)

// Clients that ask and do not read cannot make the gateway hold answers without end.
func TestUnreadAnswersAreBounded(t *testing.T) {
	n := echoNode(t)
	n.SpeakHop(true)
	e := start(t, "[upstream]\nmax_answer = \"1MiB\"\nmax_answer_memory = \"2MiB\"\n"+oneNode+anyRoute, n)
	e.awaitHops("hop")
	lazy := e.dial(grpc.WithInitialWindowSize(64<<10), grpc.WithInitialConnWindowSize(64<<10))
	var streams []grpc.ClientStream
	for range 2 { // two answers of 800 kB that stay in the gateway, but for what fits the windows
		s, err := lazy.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, pb.GRPCInferenceService_ModelInfer_FullMethodName)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SendMsg(question("m", "", 200_000)); err != nil {
			t.Fatal(err)
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
	}
	eventually(t, "two answers that nobody reads", func() bool { return e.metric("ganglion_grpc_unread_bytes") >= 1_600_000 })
	client := e.calls()
	_, err := client.ModelInfer(t.Context(), question("m", "", 200_000))
	if text := wantCode(t, err, codes.Unavailable); !strings.Contains(text, "max_answer_memory") {
		t.Errorf("the client reads %q", text)
	}
	if _, err := client.ModelInfer(t.Context(), question("m", "", 10)); err != nil {
		t.Errorf("a small answer: %v", err)
	}
	for _, s := range streams {
		if err := s.RecvMsg(new(pb.ModelInferResponse)); err != nil {
			t.Errorf("an answer that was late to be read: %v", err)
		}
	}
	eventually(t, "room again", func() bool { return e.metric("ganglion_grpc_unread_bytes") == 0 })
}
