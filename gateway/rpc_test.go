package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

// calls connects a gRPC client to the gateway.
func (e *edge) calls(opts ...grpc.DialOption) pb.GRPCInferenceServiceClient {
	return pb.NewGRPCInferenceServiceClient(e.dial(opts...))
}

func (e *edge) dial(opts ...grpc.DialOption) *grpc.ClientConn {
	e.t.Helper()
	opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30)))
	c, err := grpc.NewClient("passthrough:///"+e.rpc, opts...)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { c.Close() })
	return c
}

// question is an inference of one tensor of that many FP32 elements, all of them different.
func question(model, id string, elements int) *pb.ModelInferRequest {
	raw := make([]byte, 4*elements)
	for i := range raw {
		raw[i] = byte(i * 31 >> (i % 5))
	}
	return &pb.ModelInferRequest{
		ModelName: model, Id: id,
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP32", Shape: []int64{1, int64(elements)}}},
		RawInputContents: [][]byte{raw},
	}
}

// echo answers inferences with their inputs, in the form in which they came: JSON, binary or protobuf.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	call, _ := oip.ParsePath(r.URL.Path)
	asMessage := r.Header.Get("Content-Type") == oip.ProtoContentType
	var in oip.InferRequest
	if asMessage {
		_, _, err = in.DecodeProto(body, oip.DefaultLimits())
	} else {
		length := oip.NoHeaderLength
		if sent := r.Header.Get(oip.HeaderLengthName); sent != "" {
			length, _ = strconv.Atoi(sent)
		}
		err = in.Decode(body, length, oip.DefaultLimits())
	}
	if err != nil {
		http.Error(w, `{"error":"echo: `+strings.ReplaceAll(err.Error(), `"`, `'`)+`"}`, http.StatusBadRequest)
		return
	}
	out := oip.InferResponse{ModelName: call.Model, ModelVersion: call.Version, ID: in.ID}
	for _, t := range in.Inputs {
		out.Outputs = append(out.Outputs, oip.OutputTensor{Tensor: t, Binary: in.WantsBinary(t.Name)})
	}
	if asMessage {
		w.Header().Set("Content-Type", oip.ProtoContentType)
		w.Write(oip.AppendProtoInferResponse(nil, &out))
		return
	}
	answer, length, err := oip.AppendInferResponse(nil, &out)
	if err != nil {
		http.Error(w, `{"error":"echo"}`, http.StatusInternalServerError)
		return
	}
	if length != oip.NoHeaderLength {
		w.Header().Set(oip.HeaderLengthName, strconv.Itoa(length))
	}
	w.Write(answer)
}

// echoNode is a node that echoes.
func echoNode(t testing.TB) *testnode.Node {
	n := testnode.Start(t)
	n.Handle(echo)
	return n
}

// wantCode checks the code of an error and returns its text.
func wantCode(t testing.TB, err error, want codes.Code) string {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Fatalf("got %v, want code %v", err, want)
	}
	return status.Convert(err).Message()
}

func TestInferencesOverGRPCAreAnsweredBitByBit(t *testing.T) {
	n := echoNode(t)
	e := start(t, oneNode+anyRoute, n)
	client := e.calls()
	for _, elements := range []int{0, 1, 3, 10_000, 1_000_000} {
		in := question("m", "q-1", elements)
		in.ModelVersion = "3"
		out, err := client.ModelInfer(t.Context(), in)
		if err != nil {
			t.Fatalf("%d elements: %v", elements, err)
		}
		if out.GetModelName() != "m" || out.GetModelVersion() != "3" || out.GetId() != "q-1" {
			t.Errorf("answered as %q version %q id %q", out.GetModelName(), out.GetModelVersion(), out.GetId())
		}
		if len(out.GetRawOutputContents()) != 1 || !bytes.Equal(out.GetRawOutputContents()[0], in.GetRawInputContents()[0]) {
			t.Errorf("%d elements came back as others", elements)
		}
	}
}

func TestTheEndOfACallIsWrittenDown(t *testing.T) {
	n := echoNode(t)
	e := start(t, oneNode+anyRoute, n)
	client := e.calls()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "find-me")
	var header metadata.MD
	if _, err := client.ModelInfer(ctx, question("m", "", 1), grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("x-request-id"); len(got) != 1 || got[0] != "find-me" {
		t.Errorf("the client gets x-request-id %q", got)
	}
	if got := n.Last().Header.Get("X-Request-Id"); got != "find-me" {
		t.Errorf("the node gets X-Request-Id %q", got)
	}
	line := e.logged(1)[0]
	for key, want := range map[string]any{
		"protocol": "grpc", "path": "/inference.GRPCInferenceService/ModelInfer", "model": "m", "id": "find-me",
		"status": 200.0, "grpc": "OK", "reason": "ok", "client": "127.0.0.1", "attempts": 1.0,
	} {
		if line[key] != want {
			t.Errorf("the log has %s = %v, want %v", key, line[key], want)
		}
	}
	if got := e.metric("ganglion_requests_total", "protocol", "grpc", "code", "200", "reason", "ok"); got != 1 {
		t.Errorf("%v calls were counted, want 1", got)
	}
	eventually(t, "no call in flight", func() bool { return e.metric("ganglion_requests_in_flight") == 0 })
}

func TestACallIsRetriedOnAnotherNode(t *testing.T) {
	bad, good := testnode.Start(t), echoNode(t)
	e := start(t, twoNodes+anyRoute, bad, good)
	bad.FailAlways(503)
	client := e.calls()
	for range 6 {
		if _, err := client.ModelInfer(t.Context(), question("m", "q", 4)); err != nil {
			t.Fatal(err)
		}
	}
	if bad.Requests() == 0 || e.metric("ganglion_retries_total") == 0 {
		t.Error("the bad node was never asked: the test shows nothing")
	}
}

// One connection, and yet every call goes where there is room.
func TestCallsOfOneConnectionAreSpread(t *testing.T) {
	a, b := echoNode(t), echoNode(t)
	e := start(t, twoNodes+"[routes.m]\npool = \"main\"\n", a, b)
	client := e.calls()
	for range 10 {
		if _, err := client.ModelInfer(t.Context(), question("m", "", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if a.Requests() != 5 || b.Requests() != 5 {
		t.Errorf("%d and %d calls, want 5 each", a.Requests(), b.Requests())
	}
}

func TestErrorsOverGRPC(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\n[pools.main.retry]\nattempts = 1\n[pools.main.breaker]\nconsecutive_failures = 0\nfailure_percent = 0\n", n)
	client := e.calls()
	infer := func(in *pb.ModelInferRequest) error {
		_, err := client.ModelInfer(t.Context(), in)
		return err
	}
	for code, want := range map[int]codes.Code{
		400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.NotFound,
		413: codes.ResourceExhausted, 422: codes.InvalidArgument, 429: codes.ResourceExhausted, 500: codes.Internal,
		501: codes.Unimplemented, 502: codes.Unavailable, 503: codes.Unavailable, 504: codes.DeadlineExceeded,
	} {
		n.FailNext(1, code)
		if text := wantCode(t, infer(question("m", "", 1)), want); !strings.Contains(text, strconv.Itoa(code)) {
			t.Errorf("status %d: the node's words are lost: %q", code, text)
		}
	}
	if text := wantCode(t, infer(question("unheard-of", "", 1)), codes.NotFound); text != "Request for unknown model: 'unheard-of' is not found" {
		t.Errorf("unknown model: %q", text)
	}
	for _, model := range []string{"", "a/b", "%6d", "..", strings.Repeat("m", 65)} {
		if text := wantCode(t, infer(question(model, "", 1)), codes.NotFound); !strings.HasPrefix(text, "Request for unknown model: '") {
			t.Errorf("model %q: %q", model, text)
		}
	}
	bad := question("m", "", 1)
	bad.ModelVersion = "1.5"
	if text := wantCode(t, infer(bad), codes.InvalidArgument); !strings.HasPrefix(text, "failed to get model version from specified version string '1.5'") {
		t.Errorf("bad version: %q", text)
	}
	var nothing []byte
	err := e.dial().Invoke(t.Context(), pb.GRPCInferenceService_ModelInfer_FullMethodName, rawBytes("\xff\xff\xff"), &nothing, grpc.ForceCodec(rawCodec{}))
	wantCode(t, err, codes.InvalidArgument)
	eventually(t, "the malformed message in the metrics", func() bool {
		return e.metric("ganglion_requests_total", "protocol", "grpc", "reason", "bad_request") >= 1
	})
}

// rawCodec sends bytes as a message.
type rawCodec struct{}

type rawBytes []byte

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return v.(rawBytes), nil }
func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(b)
	return nil
}

func TestMessagesAreBounded(t *testing.T) {
	n := echoNode(t)
	e := start(t, "[server]\ndrain_delay = \"0s\"\nmax_body = \"1MiB\"\nmax_body_memory = \"4MiB\"\n"+oneNode+anyRoute, n)
	client := e.calls()
	if _, err := client.ModelInfer(t.Context(), question("m", "", 200_000)); err != nil {
		t.Fatal(err)
	}
	_, err := client.ModelInfer(t.Context(), question("m", "", 300_000))
	wantCode(t, err, codes.ResourceExhausted)

	// What counts is what a message inflates to.
	zeros := question("m", "", 1)
	zeros.Inputs[0].Shape[1] = 8 << 20
	zeros.RawInputContents[0] = make([]byte, 32<<20)
	for _, name := range []string{"gzip", "deflate"} {
		_, err = client.ModelInfer(t.Context(), zeros, grpc.UseCompressor(name))
		wantCode(t, err, codes.ResourceExhausted)
		if _, err = client.ModelInfer(t.Context(), question("m", "", 1000), grpc.UseCompressor(name)); err != nil {
			t.Errorf("a small message in %s: %v", name, err)
		}
	}
	if got := e.metric("ganglion_requests_total", "protocol", "grpc", "reason", "too_large"); got != 3 {
		t.Errorf("%v messages were counted as too large, want 3", got)
	}
	if n.Requests() != 3 {
		t.Errorf("the node saw %d requests, want the 3 good ones", n.Requests())
	}
}

func TestTheCacheAnswersCalls(t *testing.T) {
	n := echoNode(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\ncache = { ttl = \"1m\" }\n", n)
	client := e.calls()
	ask := func(in *pb.ModelInferRequest) (*pb.ModelInferResponse, string) {
		t.Helper()
		var header metadata.MD
		out, err := client.ModelInfer(t.Context(), in, grpc.Header(&header))
		if err != nil {
			t.Fatal(err)
		}
		return out, strings.Join(header.Get("x-cache"), ",")
	}
	first, use := ask(question("m", "one", 100))
	if use != "miss" {
		t.Errorf("the first call's x-cache is %q", use)
	}
	var second *pb.ModelInferResponse
	eventually(t, "an answer out of memory", func() bool { // it is stored after it was given
		second, use = ask(question("m", "two", 100))
		return use == "hit"
	})
	if second.GetId() != "two" {
		t.Errorf("the second caller gets the id %q", second.GetId())
	}
	first.Id = second.GetId()
	if !proto.Equal(first, second) {
		t.Errorf("the cache answers %v, the node %v", second, first)
	}
	if third, use := ask(question("m", "", 100)); use != "hit" || third.GetId() != "" {
		t.Errorf("without an id: x-cache %q, id %q", use, third.GetId())
	}
	if _, use := ask(question("m", "", 101)); use != "miss" {
		t.Errorf("another question: x-cache %q", use)
	}
	versioned := question("m", "", 100)
	versioned.ModelVersion = "2"
	if _, use := ask(versioned); use != "miss" {
		t.Errorf("another version: x-cache %q", use)
	}
	sequence := question("m", "", 100)
	sequence.Parameters = map[string]*pb.InferParameter{"sequence_id": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 7}}}
	for range 2 {
		if _, use := ask(sequence); use != "" {
			t.Errorf("a sequence: x-cache %q", use)
		}
	}
}

// As over REST: a node says where the time went when the call's metadata ask for it, and the gateway adds what passed at the edge.
func TestTimingOfCallsIsTold(t *testing.T) {
	n := testnode.Start(t)
	n.Handle(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Ganglion-Timing") == "1" {
			w.Header().Set("Server-Timing", "queue;dur=0.5")
		}
		echo(w, r)
	})
	e := start(t, oneNode+anyRoute, n)
	client := e.calls()
	ask := func(ctx context.Context) string {
		t.Helper()
		var header metadata.MD
		if _, err := client.ModelInfer(ctx, question("m", "", 1), grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		return strings.Join(header.Get("server-timing"), "|")
	}
	if got := ask(t.Context()); got != "" {
		t.Errorf("timing that nobody asked for: %s", got)
	}
	got := ask(metadata.AppendToOutgoingContext(t.Context(), "x-ganglion-timing", "1"))
	if !strings.HasPrefix(got, "queue;dur=0.5, upstream;dur=") || !strings.Contains(got, ", edge;dur=") {
		t.Errorf("timing is %q, want what the node said with upstream and edge behind it", got)
	}
}

func TestMetadataChoosesTheCanary(t *testing.T) {
	main, next := echoNode(t), echoNode(t)
	e := start(t, `
[pools.main]
nodes = [{ address = "%s" }]
[pools.next]
nodes = [{ address = "%s" }]
[routes.m]
pool = "main"
[routes.m.canary]
pool = "next"
weight = 0
header = "X-Canary"
`+fastHealth, main, next)
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-canary", "always")
	if _, err := e.calls().ModelInfer(ctx, question("m", "", 1)); err != nil {
		t.Fatal(err)
	}
	if next.Requests() != 1 || main.Requests() != 0 {
		t.Errorf("the canary had %d calls, the stable variant %d", next.Requests(), main.Requests())
	}
}

func TestACancelledCallLeavesTheNode(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	release := n.Hang()
	defer release()
	client := e.calls()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := client.ModelInfer(ctx, question("m", "", 1))
		done <- err
	}()
	eventually(t, "the request at the node", func() bool { return n.Requests() == 1 })
	cancel()
	wantCode(t, <-done, codes.Canceled)
	eventually(t, "the node to notice", func() bool { return n.Gone() == 1 })
	line := e.logged(1)[0]
	if line["reason"] != "client_gone" || line["grpc"] != "Canceled" {
		t.Errorf("the log has %v", line)
	}
	if got := e.metric("ganglion_attempts_total", "outcome", "failure"); got != 0 {
		t.Error("the node was blamed for a client that left")
	}
}

func TestADeadlineReachesTheNode(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	release := n.Hang()
	defer release()
	client := e.calls()
	for limit := 100 * time.Millisecond; n.Requests() == 0; limit *= 2 { // long enough to get there at all
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := client.ModelInfer(ctx, question("m", "", 1))
		cancel()
		wantCode(t, err, codes.DeadlineExceeded)
	}
	eventually(t, "the node to notice", func() bool { return n.Gone() == n.Requests() })
	// Its client resets the call at the same moment: either may be noticed first.
	if line := e.logged(1)[0]; line["reason"] != "deadline" && line["reason"] != "client_gone" {
		t.Errorf("the log has %v", line)
	}
	if got := e.metric("ganglion_attempts_total", "outcome", "failure"); got != 0 {
		t.Error("the node was blamed for the client's deadline")
	}
}

// The route's own timeout, by contrast, is the node's to keep.
func TestTheRoutesTimeoutHoldsForCalls(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\ntimeout = \"1s\"\n", n)
	release := n.Hang()
	defer release()
	_, err := e.calls().ModelInfer(t.Context(), question("m", "", 1))
	if text := wantCode(t, err, codes.DeadlineExceeded); !strings.Contains(text, "1s") {
		t.Errorf("the client reads %q, want the limit named", text)
	}
	if got := e.metric("ganglion_attempts_total", "outcome", "fault"); got != 1 {
		t.Errorf("%v faults of the node, want 1", got)
	}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
