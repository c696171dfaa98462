package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ganglion/backend/rpc"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// tensors has two elements of every datatype: raw, and typed where the protocol has a field for it.
func tensors() []struct {
	datatype string
	raw      []byte
	typed    *pb.InferTensorContents
} {
	return []struct {
		datatype string
		raw      []byte
		typed    *pb.InferTensorContents
	}{
		{"BOOL", []byte{1, 0}, &pb.InferTensorContents{BoolContents: []bool{true, false}}},
		{"UINT8", []byte{255, 7}, &pb.InferTensorContents{UintContents: []uint32{255, 7}}},
		{"UINT16", []byte{255, 255, 7, 0}, &pb.InferTensorContents{UintContents: []uint32{65535, 7}}},
		{"UINT32", []byte{255, 255, 255, 255, 7, 0, 0, 0}, &pb.InferTensorContents{UintContents: []uint32{math.MaxUint32, 7}}},
		{"UINT64", []byte{255, 255, 255, 255, 255, 255, 255, 255, 7, 0, 0, 0, 0, 0, 0, 0}, &pb.InferTensorContents{Uint64Contents: []uint64{math.MaxUint64, 7}}},
		{"INT8", []byte{128, 7}, &pb.InferTensorContents{IntContents: []int32{-128, 7}}},
		{"INT16", []byte{0, 128, 7, 0}, &pb.InferTensorContents{IntContents: []int32{-32768, 7}}},
		{"INT32", []byte{0, 0, 0, 128, 7, 0, 0, 0}, &pb.InferTensorContents{IntContents: []int32{math.MinInt32, 7}}},
		{"INT64", []byte{0, 0, 0, 0, 0, 0, 0, 128, 7, 0, 0, 0, 0, 0, 0, 0}, &pb.InferTensorContents{Int64Contents: []int64{math.MinInt64, 7}}},
		{"FP16", []byte{1, 126, 0, 60}, nil}, // a NaN with a payload, and 1
		{"BF16", []byte{193, 127, 128, 63}, nil},
		{"FP32", []byte{1, 0, 192, 127, 0, 0, 0, 128}, &pb.InferTensorContents{Fp32Contents: []float32{math.Float32frombits(0x7fc00001), float32(math.Copysign(0, -1))}}},
		{"FP64", []byte{1, 0, 0, 0, 0, 0, 248, 127, 0, 0, 0, 0, 0, 0, 0, 128}, &pb.InferTensorContents{Fp64Contents: []float64{math.Float64frombits(0x7ff8000000000001), math.Copysign(0, -1)}}},
		{"BYTES", []byte{3, 0, 0, 0, 255, 0, 'a', 0, 0, 0, 0}, &pb.InferTensorContents{BytesContents: [][]byte{{255, 0, 'a'}, {}}}},
	}
}

// TestEveryDatatypeComesBackBitByBit: both forms in, the raw one out.
func TestEveryDatatypeComesBackBitByBit(t *testing.T) {
	c := client(t, serve(t, newEcho(), nil))
	for _, tensor := range tensors() {
		for _, typed := range []bool{false, true} {
			if typed && tensor.typed == nil {
				continue
			}
			request := &pb.ModelInferRequest{
				ModelName: "m", ModelVersion: "7", Id: "é",
				Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: tensor.datatype, Shape: []int64{2, 1}}},
			}
			if typed {
				request.Inputs[0].Contents = tensor.typed
			} else {
				request.RawInputContents = [][]byte{tensor.raw}
			}
			reply, err := c.ModelInfer(within(t), request)
			if err != nil {
				t.Errorf("%s typed=%v: %v", tensor.datatype, typed, err)
				continue
			}
			if reply.GetModelName() != "m" || reply.GetModelVersion() != "7" || reply.GetId() != "é" || len(reply.GetOutputs()) != 1 {
				t.Fatalf("%s: got %v", tensor.datatype, reply)
			}
			out := reply.GetOutputs()[0]
			if out.GetName() != "out_x" || out.GetDatatype() != tensor.datatype || !slices.Equal(out.GetShape(), []int64{2, 1}) || out.GetContents() != nil {
				t.Errorf("%s: got output %v", tensor.datatype, out)
			}
			if raw := reply.GetRawOutputContents(); len(raw) != 1 || !bytes.Equal(raw[0], tensor.raw) {
				t.Errorf("%s typed=%v: got %v, want %v", tensor.datatype, typed, raw, tensor.raw)
			}
		}
	}
}

// TestLargeTensors: messages of many frames in both directions, with and without compression.
func TestLargeTensors(t *testing.T) {
	c := client(t, serve(t, newEcho(), nil))
	for encoding, size := range map[string]int{
		"":        5<<20 + 1, // more than grpc allows by itself
		gzip.Name: 300_000,   // compressing is slow under the race detector
		"deflate": 300_000,
	} {
		request := large("", size)
		for i := range request.RawInputContents[0] {
			request.RawInputContents[0][i] = byte(i * i >> 7)
		}
		var options []grpc.CallOption
		if encoding != "" {
			options = append(options, grpc.UseCompressor(encoding))
		}
		reply, err := c.ModelInfer(within(t), request, options...)
		if err != nil {
			t.Errorf("%q: %v", encoding, err)
		} else if !bytes.Equal(reply.GetRawOutputContents()[0], request.RawInputContents[0]) {
			t.Errorf("%q: the tensor came back changed", encoding)
		}
	}
}

// TestBombsAreBounded: what counts is what a message inflates to.
func TestBombsAreBounded(t *testing.T) {
	c := client(t, serve(t, newEcho(), func(cfg *rpc.Config) { cfg.MaxMessage = conf.MiB }))
	request := large("", 2<<20) // what grpc itself would allow
	for _, encoding := range []string{gzip.Name, "deflate"} {
		_, err := c.ModelInfer(within(t), request, grpc.UseCompressor(encoding))
		if s := status.Convert(err); s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "larger than max") {
			t.Errorf("%s: got %v", encoding, err)
		}
	}
	_, err := c.ModelInfer(within(t), request)
	if s := status.Convert(err); s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "larger than max") {
		t.Errorf("got %v", err)
	}
	if _, err := c.ModelInfer(within(t), small("")); err != nil {
		t.Errorf("after the bombs: %v", err)
	}
}

// TestErrorsInGRPCsWords: every code of the protocol has its own there, and text that is not for clients stays here.
func TestErrorsInGRPCsWords(t *testing.T) {
	node := newEcho()
	c := client(t, serve(t, node, nil))
	for _, test := range []struct {
		err  error
		code codes.Code
		text string
	}{
		{oip.Errorf(oip.InvalidArgument, "bad 'x'"), codes.InvalidArgument, "bad 'x'"},
		{oip.Errorf(oip.NotFound, "Request for unknown model: 'm' is not found"), codes.NotFound, "Request for unknown model: 'm' is not found"},
		{oip.Errorf(oip.TooLarge, "large"), codes.ResourceExhausted, "large"},
		{oip.Errorf(oip.ResourceExhausted, "much"), codes.ResourceExhausted, "much"},
		{oip.Errorf(oip.Internal, "ours"), codes.Internal, "ours"},
		{oip.Errorf(oip.Unsupported, "not here"), codes.Unimplemented, "not here"},
		{oip.Refusef(oip.Full, "Exceeds maximum queue size"), codes.Unavailable, "Exceeds maximum queue size"},
		{oip.Errorf(oip.DeadlineExceeded, "late"), codes.DeadlineExceeded, "late"},
		{oip.Errorf(oip.Unknown, "?"), codes.Unknown, "?"},
		{errors.New("cuda error 700 at 0xdead"), codes.Internal, "the model failed: the node's log has the reason"},
	} {
		node.infer = func(string, string, *oip.InferRequest) error { return test.err }
		_, err := c.ModelInfer(within(t), small(""))
		wantStatus(t, err, test.code, test.text)
	}
}

// TestRefusalsSayWhatTheyAreAbout: whoever spreads calls over nodes has to know that the node is well.
func TestRefusalsSayWhatTheyAreAbout(t *testing.T) {
	node := newEcho()
	node.infer = func(string, string, *oip.InferRequest) error {
		return oip.Refusef(oip.Full, "Exceeds maximum queue size")
	}
	c := client(t, serve(t, node, func(cfg *rpc.Config) { cfg.ID = "one" }))
	var header, trailer metadata.MD
	_, err := c.ModelInfer(within(t), small(""), grpc.Header(&header), grpc.Trailer(&trailer))
	wantStatus(t, err, codes.Unavailable, "Exceeds maximum queue size")
	all := metadata.Join(header, trailer) // an error may come without headers of its own
	if got := all.Get("x-ganglion-refusal"); !slices.Equal(got, []string{"queue_full"}) {
		t.Errorf("got refusal %q", got)
	}
	if got := all.Get("x-node-id"); !slices.Equal(got, []string{"one"}) {
		t.Errorf("got node %q", got)
	}
}

// TestRequestsThatCannotBeRead: each is the client's fault, and says what was wrong.
func TestRequestsThatCannotBeRead(t *testing.T) {
	conn := dial(t, serve(t, newEcho(), nil))
	both := small("")
	both.Inputs[0].Contents = &pb.InferTensorContents{UintContents: []uint32{1}}
	for _, test := range []struct {
		name string
		send any
		want string // part of the text
	}{
		{"not protobuf", bytesMessage("\xff\xff\xff"), ""},
		{"cut off", bytesMessage("\x0a\x05ab"), ""},
		{"typed and raw", both, "contents field must not be specified when using raw_input_contents for"},
	} {
		var reply pb.ModelInferResponse
		err := conn.Invoke(within(t), pb.GRPCInferenceService_ModelInfer_FullMethodName, test.send, &reply, grpc.ForceCodecV2(passing{}))
		if s := status.Convert(err); s.Code() != codes.InvalidArgument || s.Message() == "" || !strings.Contains(s.Message(), test.want) {
			t.Errorf("%s: got %v, want InvalidArgument with %q", test.name, err, test.want)
		}
	}
}

// TestOneMessageIsOneInference: a call with none, or with a second one, is refused.
func TestOneMessageIsOneInference(t *testing.T) {
	conn := dial(t, serve(t, newEcho(), nil))
	for messages, want := range []codes.Code{codes.Internal, codes.OK, codes.Internal} {
		stream, err := conn.NewStream(within(t), &grpc.StreamDesc{ClientStreams: true}, pb.GRPCInferenceService_ModelInfer_FullMethodName)
		if err != nil {
			t.Fatal(err)
		}
		for range messages {
			_ = stream.SendMsg(large("", 1<<10)) // a refusal may come before the second: Recv tells
		}
		_ = stream.CloseSend()
		if err := stream.RecvMsg(&pb.ModelInferResponse{}); status.Code(err) != want {
			t.Errorf("%d messages: got %v, want %v", messages, err, want)
		}
	}
}

// TestTheClientsDeadlineIsTheRequests, and so is its leaving.
func TestTheClientsDeadlineIsTheRequests(t *testing.T) {
	node := newEcho()
	node.hold = make(chan struct{})
	c := client(t, serve(t, node, nil))

	ctx, cancel := context.WithCancel(within(t))
	failed := make(chan error, 1)
	go func() {
		_, err := c.ModelInfer(ctx, small("left"))
		failed <- err
	}()
	wait(t, node.arrived, "the request")
	cancel()
	if id := wait(t, node.gone, "the end of its context"); id != "left" {
		t.Errorf("%q has left", id)
	}
	if err := wait(t, failed, "the client"); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}

	for limit := 50 * time.Millisecond; len(node.arrived) == 0; limit *= 2 { // long enough to get there at all
		deadline, cancel := context.WithTimeout(within(t), limit)
		_, err := c.ModelInfer(deadline, small("late"))
		cancel()
		if status.Code(err) != codes.DeadlineExceeded {
			t.Fatalf("got %v", err)
		}
	}
	if id := wait(t, node.gone, "the end of its context"); id != "late" {
		t.Errorf("%q has left", id)
	}
}

// TestACallThatNeverSendsItsMessageEnds.
func TestACallThatNeverSendsItsMessageEnds(t *testing.T) {
	conn := dial(t, serve(t, newEcho(), func(cfg *rpc.Config) { cfg.CallTimeout = 50 * time.Millisecond }))
	stream, err := conn.NewStream(within(t), &grpc.StreamDesc{ClientStreams: true}, pb.GRPCInferenceService_ModelInfer_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&pb.ModelInferResponse{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}

// TestAPanicCostsOneCall.
func TestAPanicCostsOneCall(t *testing.T) {
	node := newEcho()
	node.infer = func(_, _ string, r *oip.InferRequest) error {
		if r.ID == "bug" {
			panic("index out of range")
		}
		return nil
	}
	c := client(t, serve(t, node, nil))
	_, err := c.ModelInfer(within(t), small("bug"))
	wantStatus(t, err, codes.Internal, "the call failed: the node's log has the reason")
	if _, err := c.ModelInfer(within(t), small("")); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}
