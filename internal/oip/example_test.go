package oip_test

import (
	"fmt"

	"ganglion/internal/oip"
)

// A node reads a request, checks it against its model, and answers.
func Example() {
	body := []byte(`{"id":"42","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[[0.5,2]]}]}`)
	inputs := []oip.TensorMetadata{{Name: "x", Datatype: oip.FP32, Shape: []int64{-1, 2}}}
	outputs := []oip.TensorMetadata{{Name: "y", Datatype: oip.FP32, Shape: []int64{-1, 2}}}

	var r oip.InferRequest
	if err := r.Decode(body, oip.NoHeaderLength, oip.DefaultLimits()); err != nil {
		fmt.Println(err)
		return
	}
	if err := oip.CheckRequest("echo", inputs, outputs, &r); err != nil {
		fmt.Println(err)
		return
	}
	y := r.Inputs[0]
	y.Name = "y"
	answer := oip.InferResponse{ModelName: "echo", ModelVersion: "1", ID: r.ID, Outputs: []oip.OutputTensor{
		{Tensor: y, Binary: r.WantsBinary("y")},
	}}
	out, headerLen, err := oip.AppendInferResponse(nil, &answer)
	fmt.Printf("%s\n%d %v\n", out, headerLen, err)
	// Output:
	// {"id":"42","model_name":"echo","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[0.5,2]}]}
	// -1 <nil>
}

// A client sends half floats, which only travel as binary data.
func ExampleAppendInferRequest() {
	r := oip.InferRequest{
		Inputs:       []oip.Tensor{{Name: "x", Datatype: oip.FP16, Shape: []int64{1, 2}, Data: []byte("half")}},
		BinaryInputs: true,
	}
	body, headerLen, err := oip.AppendInferRequest(nil, &r)
	fmt.Printf("%s\n%d %v\n", body, headerLen, err)
	// Output:
	// {"inputs":[{"name":"x","shape":[1,2],"datatype":"FP16","parameters":{"binary_data_size":4}}]}half
	// 93 <nil>
}

func ExampleCutID() {
	body := []byte(`{"id":"42","inputs":[]}`)
	id, start, end, ok := oip.CutID(body)
	fmt.Printf("%s %s%s %t\n", id, body[:start], body[end:], ok)
	// Output:
	// "42" {"inputs":[]} true
}

func ExampleParsePath() {
	call, ok := oip.ParsePath("/v2/models/iris/versions/1/infer")
	fmt.Println(call.Kind, call.Model, call.Version, call.Methods(), ok)
	// Output:
	// infer iris 1 POST, QUERY true
}
