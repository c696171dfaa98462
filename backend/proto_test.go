package backend_test

import (
	"bytes"
	"testing"

	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// TestProto: an inference may come as the message that gRPC has, and is answered by one; errors stay JSON.
func TestProto(t *testing.T) {
	n := startNode(t, demoModels(t))
	data := []byte("\x33\x33\xa3\x40\x00\x00\x60\x40\x33\x33\xb3\x3f\xcd\xcc\x4c\x3e") // 5.1, 3.5, 1.4, 0.2
	request := oip.InferRequest{
		ID:      "p-1",
		Inputs:  []oip.Tensor{{Name: "measurements", Datatype: oip.FP32, Shape: []int64{1, 4}, Data: data}},
		Outputs: []oip.RequestedOutput{{Name: "species"}},
	}
	message := oip.AppendProtoInferRequest(nil, "another-name", "", &request)

	check := func(by string, status int, contentType string, body []byte) {
		t.Helper()
		var answer oip.InferResponse
		if err := answer.DecodeProto(body, oip.DefaultLimits()); err != nil || status != 200 || contentType != oip.ProtoContentType {
			t.Fatalf("%s: %d %s %q: %v", by, status, contentType, body, err)
		}
		if answer.ModelName != "iris" || answer.ModelVersion != "1" || answer.ID != "p-1" || len(answer.Outputs) != 1 ||
			!bytes.Contains(answer.Outputs[0].Data, []byte("setosa")) {
			t.Errorf("%s: got %+v", by, answer)
		}
	}
	a := n.do("POST", "/v2/models/iris/infer", bytes.NewReader(message), "Content-Type", "Application/X-Protobuf")
	check("HTTP", a.status, a.header.Get("Content-Type"), []byte(a.body))

	conn := n.dialHop()
	x := hopRequest(hop.MethodPost, "/v2/models/iris/infer", string(message))
	x.Request.ContentType = []byte(oip.ProtoContentType)
	if err := conn.Do(x); err != nil {
		t.Fatal(err)
	}
	check("hop", x.Response.Status, string(x.Response.ContentType), x.Response.Body)

	n.do("POST", "/v2/models/iris/infer", bytes.NewReader(message[:len(message)-1]), "Content-Type", oip.ProtoContentType).want(t, 400, "")
	n.do("POST", "/v2/models/rose/infer", bytes.NewReader(message), "Content-Type", oip.ProtoContentType).want(t, 404, "'rose' is not found")
	request.Inputs[0].Name = "petals"
	n.do("POST", "/v2/models/iris/infer", bytes.NewReader(oip.AppendProtoInferRequest(nil, "", "", &request)), "Content-Type", oip.ProtoContentType).
		want(t, 400, "petals")
}
