package oip

// column is an input of a v1 request while its instances are gathered.
type column struct{ data []byte }

// DecodeRaw reads a raw binary request (Inference-Header-Content-Length: 0): the whole body is the data of the model's
// only input, and every output goes back as binary data.
func (r *InferRequest) DecodeRaw(body []byte, inputs []TensorMetadata, lim Limits) error {
	return Errorf(Unsupported, "not built yet")
}

// DecodeV1 reads a KServe v1 predict body, {"instances":[…]}, as a request to a model with these inputs.
func (r *InferRequest) DecodeV1(body []byte, inputs []TensorMetadata, lim Limits) error {
	return Errorf(Unsupported, "not built yet")
}

// AppendV1Predictions appends outputs as a KServe v1 answer, {"predictions":[…]}: a list of rows for one output, a list
// of objects with the outputs' names for several.
func AppendV1Predictions(dst []byte, outputs []OutputTensor) ([]byte, error) {
	return dst, nil
}
