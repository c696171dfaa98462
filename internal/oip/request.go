package oip

// InferRequest is one inference request. The zero value is ready to be decoded into.
//
// Strings in it are ordinary strings that may be kept. Slices belong to the request: they are valid until the next
// Decode or Reset, and tensors that came as binary data alias the body they were decoded from.
type InferRequest struct {
	ID         string // opaque; echoed in the response when not empty
	Parameters Parameters
	Inputs     []Tensor

	// Outputs are the outputs asked for, in that order. Empty means all of them.
	Outputs []RequestedOutput

	// BinaryDefault says how outputs go back that Outputs does not name. (For those it names, Decode has already merged
	// it into RequestedOutput.Binary.)
	BinaryDefault bool

	// BinaryInputs makes AppendInferRequest send the inputs as binary data. Decode sets it when any input came so.
	BinaryInputs bool
}

// RequestedOutput names an output the client wants.
type RequestedOutput struct {
	Name   string
	Binary bool // send it as binary data

	// Classification is how many of the best classes to send instead of the tensor, 0 for the tensor itself. Decode
	// refuses it for now.
	Classification int
}

// WantsBinary reports whether the output called name goes back as binary data.
func (r *InferRequest) WantsBinary(name string) bool {
	for i := range r.Outputs {
		if r.Outputs[i].Name == name {
			return r.Outputs[i].Binary
		}
	}
	return r.BinaryDefault
}

// Decode reads one REST infer body into r, replacing what r held and reusing its memory. headerLen is the value of the
// Inference-Header-Content-Length header, -1 when the request has none. (0 announces a raw binary request, which cannot
// be read without the model's metadata: see DecodeRaw.) After an error r holds nothing of use but may be decoded into
// again.
func (r *InferRequest) Decode(body []byte, headerLen int, lim Limits) error {
	return Errorf(Unsupported, "not built yet")
}

// DecodeRaw reads a raw binary request (Inference-Header-Content-Length: 0): the whole body is the data of the model's
// only input, and every output goes back as binary data.
func (r *InferRequest) DecodeRaw(body []byte, inputs []TensorMetadata, lim Limits) error {
	return Errorf(Unsupported, "not built yet")
}

// DecodeV1 reads a KServe v1 predict body, {"instances":[…]}, as a request to a model with these inputs.
func (r *InferRequest) DecodeV1(body []byte, inputs []TensorMetadata, lim Limits) error {
	return Errorf(Unsupported, "not built yet")
}

// AppendInferRequest appends r as a REST infer body. headerLen is the value for Inference-Header-Content-Length, -1 when
// the body is JSON only and the header is to be left out.
func AppendInferRequest(dst []byte, r *InferRequest) (out []byte, headerLen int, err error) {
	return dst, -1, nil
}
