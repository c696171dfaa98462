package rpc_test

import (
	"bytes"
	"io"
	"log/slog"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"ganglion/backend/rpc"
	"ganglion/internal/oip/pb"
)

// FuzzInfer takes any bytes the way of a ModelInferRequest, in one piece and in several. Whatever they are, nothing panics;
// both ways end alike; an answer is a message that everybody can read and holds what was sent; a stream's answer too.
func FuzzInfer(f *testing.F) {
	for _, tensor := range tensors() {
		for _, raw := range []bool{true, false} {
			request := &pb.ModelInferRequest{ModelName: "m", Id: "1", Inputs: []*pb.ModelInferRequest_InferInputTensor{
				{Name: "x", Datatype: tensor.datatype, Shape: []int64{2}},
			}}
			if raw {
				request.RawInputContents = [][]byte{tensor.raw}
			} else {
				request.Inputs[0].Contents = tensor.typed
			}
			seed, err := proto.Marshal(request)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(seed, 3)
		}
	}
	f.Add([]byte("\x0a\x05ab"), 1)
	server := rpc.New(rpc.DefaultConfig(), newEcho(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	f.Fuzz(func(t *testing.T, message []byte, cut int) {
		answerTo := func(frames mem.BufferSlice) ([]byte, error) {
			answer, err := server.Answer(frames)
			return answer.Materialize(), err
		}
		whole, err := answerTo(mem.BufferSlice{mem.SliceBuffer(message)})
		at := min(max(cut, 0), len(message))
		pieces, piecesErr := answerTo(mem.BufferSlice{mem.SliceBuffer(message[:at]), mem.SliceBuffer(message[at:])})
		if (err == nil) != (piecesErr == nil) || !bytes.Equal(whole, pieces) {
			t.Fatalf("in one piece %q (%v), in two %q (%v)", whole, err, pieces, piecesErr)
		}
		var onStream pb.ModelStreamInferResponse
		if e := proto.Unmarshal(server.StreamMessage(message), &onStream); e != nil || (onStream.GetErrorMessage() == "") != (err == nil) {
			t.Fatalf("on a stream %v (%v), alone %v", &onStream, e, err)
		}
		if err != nil {
			return
		}
		var request pb.ModelInferRequest
		var answer pb.ModelInferResponse
		if err := proto.Unmarshal(message, &request); err != nil {
			t.Fatalf("answered what is no message: %v", err)
		}
		if err := proto.Unmarshal(whole, &answer); err != nil {
			t.Fatalf("the answer is no message: %v", err)
		}
		if answer.GetId() != request.GetId() || len(answer.GetRawOutputContents()) != len(request.GetInputs()) {
			t.Fatalf("got %v for %v", &answer, &request)
		}
		for i, raw := range request.GetRawInputContents() {
			if !bytes.Equal(raw, answer.GetRawOutputContents()[i]) {
				t.Fatalf("tensor %d came back as %q, was %q", i, answer.GetRawOutputContents()[i], raw)
			}
		}
	})
}
