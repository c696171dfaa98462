package gateway

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

// onlyJSON answers like a server that knows no binary data, and that insists on its Content-Type, as MLServer does.
func onlyJSON(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(oip.HeaderLengthName) != "" || r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, `{"error":"not JSON"}`, http.StatusUnprocessableEntity)
		return
	}
	echo(w, r)
}

func jsonNode(t testing.TB) *testnode.Node {
	n := testnode.Start(t)
	n.SetExtensions()
	n.Handle(onlyJSON)
	return n
}

func TestANodeWithoutBinaryDataGetsJSON(t *testing.T) {
	n := jsonNode(t)
	e := start(t, oneNode+anyRoute, n)

	in := question("m", "q", 3)
	copy(in.RawInputContents[0], "\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x00\x00") // 1, -2, 0
	out, err := e.calls().ModelInfer(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.GetRawOutputContents()[0], in.GetRawInputContents()[0]) || out.GetId() != "q" {
		t.Errorf("over gRPC: %v", out)
	}

	json := `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}],"outputs":[{"name":"x","parameters":{"binary_data":true}}]}`
	got := e.do("POST", inferPath, json+"\x00\x00\x80\x3f", headerInferLength+": "+strconv.Itoa(len(json))).want(t, 200)
	length, _ := strconv.Atoi(got.header.Get(headerInferLength))
	if length == 0 || got.body[length:] != "\x00\x00\x80\x3f" {
		t.Errorf("with binary data: %v %q", got.header, got.body)
	}
	if sent := string(n.Last().Body); !strings.Contains(sent, `"data":[1`) || strings.Contains(sent, "binary") {
		t.Errorf("the node gets %q", sent)
	}

	// What JSON cannot say goes as it is, for the node to refuse.
	in.Inputs[0].Datatype, in.Inputs[0].Shape = "FP16", []int64{6}
	_, err = e.calls().ModelInfer(t.Context(), in)
	if text := wantCode(t, err, codes.InvalidArgument); text != "not JSON" {
		t.Errorf("FP16: %q", text)
	}
}

// A node that says nothing of what it can is taken for one that can.
func TestANodeWithoutMetadataGetsBinaryData(t *testing.T) {
	n := echoNode(t)
	n.SetExtensions("something_else", "binary_tensor_data")
	e := start(t, oneNode+anyRoute, n)
	for range 3 {
		if _, err := e.calls().ModelInfer(t.Context(), question("m", "", 2)); err != nil {
			t.Fatal(err)
		}
	}
	if n.Last().Header.Get(headerInferLength) == "" {
		t.Error("the node got JSON")
	}
}

// Own nodes read messages as they are, over the hop.
func TestMessagesPassOverTheHopAsTheyAre(t *testing.T) {
	n := echoNode(t)
	n.SpeakHop(true)
	e := start(t, oneNode+anyRoute, n)
	e.awaitHops("hop")
	client := e.calls()
	for _, elements := range []int{1, 1_000_000} {
		in := question("m", "q", elements)
		out, err := client.ModelInfer(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.GetRawOutputContents()[0], in.GetRawInputContents()[0]) || out.GetId() != "q" {
			t.Errorf("%d elements came back as others", elements)
		}
		if sent := n.Last(); sent.Header.Get("Content-Type") != oip.ProtoContentType {
			t.Errorf("the node gets %q", sent.Header.Get("Content-Type"))
		}
	}
}

// A REST client may send a message too, and gets one.
func TestAMessageOverRESTIsAnsweredByOne(t *testing.T) {
	n := echoNode(t)
	e := start(t, oneNode+anyRoute, n)
	msg := marshal(t, question("m", "q", 5))
	got := e.do("POST", inferPath, string(msg), "Content-Type: "+oip.ProtoContentType).want(t, 200)
	head, err := oip.ScanProtoHead([]byte(got.body))
	if err != nil || string(head.ID) != "q" || got.header.Get("Content-Type") != oip.ProtoContentType {
		t.Errorf("got %v %q: %v", got.header, got.body, err)
	}
	e.do("POST", inferPath, "\xff", "Content-Type: "+oip.ProtoContentType).want(t, 400)
}

func TestAnAnswerThatIsNoneIsTriedElsewhere(t *testing.T) {
	bad, good := testnode.Start(t), echoNode(t)
	bad.Handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"outputs":`)) })
	e := start(t, twoNodes+anyRoute, bad, good)
	for range 4 {
		if _, err := e.calls().ModelInfer(t.Context(), question("m", "", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if bad.Requests() == 0 {
		t.Error("the bad node was never asked: the test shows nothing")
	}
}

func FuzzMessageToREST(f *testing.F) {
	f.Add(marshal(f, question("m", "q", 2)), true)
	f.Add(marshal(f, &pb.ModelInferRequest{ModelName: "m", Inputs: []*pb.ModelInferRequest_InferInputTensor{{
		Name: "x", Datatype: "BYTES", Shape: []int64{1}, Contents: &pb.InferTensorContents{BytesContents: [][]byte{[]byte("a")}},
	}}}), false)
	f.Fuzz(func(t *testing.T, msg []byte, binary bool) {
		var b bridge
		var first oip.InferRequest
		if _, _, err := first.DecodeProto(msg, messageLimits()); err != nil || b.fromMessage(msg, binary) != nil {
			return
		}
		// What was understood once must be understood by whoever gets it, and mean the same.
		length := oip.NoHeaderLength
		if len(b.length) > 0 {
			length, _ = strconv.Atoi(string(b.length))
		}
		var again oip.InferRequest
		if err := again.Decode(b.body, length, messageLimits()); err != nil {
			t.Fatalf("%q became %q: %v", msg, b.body, err)
		}
		if len(again.Inputs) != len(first.Inputs) || again.ID != first.ID {
			t.Fatalf("%d inputs became %d", len(first.Inputs), len(again.Inputs))
		}
		for i := range again.Inputs {
			if !bytes.Equal(again.Inputs[i].Data, first.Inputs[i].Data) {
				t.Fatalf("input %d changed from %x to %x", i, first.Inputs[i].Data, again.Inputs[i].Data)
			}
		}
	})
}

// curl and Python's urllib call whatever they post a form, and tritonclient calls it nothing.
func TestJSONIsCalledJSON(t *testing.T) {
	n := jsonNode(t)
	e := start(t, oneNode+anyRoute, n)
	for _, name := range []string{"", "application/x-www-form-urlencoded"} {
		e.infer("Content-Type: "+name).want(t, 200)
	}
	e.infer("Content-Type: text/html").want(t, 422)
}
