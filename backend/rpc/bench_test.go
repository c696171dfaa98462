package rpc_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"ganglion/backend/rpc"
	"ganglion/internal/oip/pb"
)

// BenchmarkModelInfer is a whole call over the loopback, client included, which sends the same bytes each time: what is left
// is grpc and the node's part.
func BenchmarkModelInfer(b *testing.B) {
	for _, size := range []int{16, 600 << 10, 8 << 20} {
		b.Run(fmt.Sprintf("tensor=%d", size), func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server := rpc.New(rpc.DefaultConfig(), newEcho(), slog.New(slog.NewTextHandler(io.Discard, nil)))
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- server.Run(ctx, ln) }()
			conn, err := grpc.NewClient(ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithDefaultCallOptions(grpc.ForceCodecV2(counting{}), grpc.MaxCallRecvMsgSize(1<<30)))
			if err != nil {
				b.Fatal(err)
			}
			message, err := proto.Marshal(large("", size))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := conn.Invoke(ctx, pb.GRPCInferenceService_ModelInfer_FullMethodName, message, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			_ = conn.Close()
			cancel()
			if err := <-done; err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkCodec is what is done with the bytes of an inference between grpc and the engine, in both directions: by hand, as
// the server does it, and with the generated messages, as it would otherwise.
func BenchmarkCodec(b *testing.B) {
	server := rpc.New(rpc.DefaultConfig(), newEcho(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	for _, size := range []int{16, 600 << 10} {
		message, err := proto.Marshal(large("", size))
		if err != nil {
			b.Fatal(err)
		}
		var frames mem.BufferSlice
		for frame := range slices.Chunk(message, 16<<10) {
			frames = append(frames, mem.SliceBuffer(frame))
		}
		for name, answer := range map[string]func(mem.BufferSlice) (mem.BufferSlice, error){
			"by hand": server.Answer, "generated": answerGenerated,
		} {
			b.Run(fmt.Sprintf("%s/tensor=%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					message, err := answer(frames)
					if err != nil {
						b.Fatal(err)
					}
					message.Free()
				}
			})
		}
	}
}

// answerGenerated answers with the inputs, as echo does.
func answerGenerated(frames mem.BufferSlice) (mem.BufferSlice, error) {
	codec := encoding.GetCodecV2("proto")
	var request pb.ModelInferRequest
	if err := codec.Unmarshal(frames, &request); err != nil {
		return nil, err
	}
	answer := &pb.ModelInferResponse{ModelName: request.GetModelName(), ModelVersion: "7", Id: request.GetId()}
	for i, in := range request.GetInputs() {
		answer.Outputs = append(answer.Outputs, &pb.ModelInferResponse_InferOutputTensor{
			Name: "out_" + in.GetName(), Datatype: in.GetDatatype(), Shape: in.GetShape(),
		})
		answer.RawOutputContents = append(answer.RawOutputContents, bytes.Clone(request.GetRawInputContents()[i])) // out of the engine's memory
	}
	return codec.Marshal(answer)
}

// counting is a codec for clients that have their message as bytes and do not look at the answer.
type counting struct{}

func (counting) Name() string { return "proto" }

func (counting) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (counting) Unmarshal(mem.BufferSlice, any) error { return nil }
