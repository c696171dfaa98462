package oip

// InferResponse is one inference response. Ownership is as for [InferRequest].
type InferResponse struct {
	ModelName    string
	ModelVersion string
	ID           string // the request's; left out of the answer when empty
	Parameters   Parameters
	Outputs      []OutputTensor
}

// OutputTensor is one tensor of a response.
type OutputTensor struct {
	Tensor
	Binary bool // sent as binary data
}

// AppendInferResponse appends r as a REST answer. headerLen is the value for Inference-Header-Content-Length; with it the
// answer is application/octet-stream. It is -1 when no output has binary data: then the answer is application/json.
func AppendInferResponse(dst []byte, r *InferResponse) (out []byte, headerLen int, err error) {
	return dst, -1, nil
}

// Decode reads one REST answer into r, replacing what r held and reusing its memory; headerLen as in
// [InferRequest.Decode].
func (r *InferResponse) Decode(body []byte, headerLen int, lim Limits) error {
	return Errorf(Unsupported, "not built yet")
}

// AppendV1Predictions appends outputs as a KServe v1 answer, {"predictions":[…]}: a list of rows for one output, a list
// of objects with the outputs' names for several.
func AppendV1Predictions(dst []byte, outputs []OutputTensor) ([]byte, error) {
	return dst, nil
}
