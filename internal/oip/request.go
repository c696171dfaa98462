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

	memory memory
}

// RequestedOutput names an output the client wants.
type RequestedOutput struct {
	Name   string
	Binary bool // send it as binary data

	// Classification is how many of the best classes to send instead of the tensor, 0 for the tensor itself. Decode
	// refuses it for now.
	// Classification is how many of the best classes to send instead of the tensor, 0 for the tensor itself. See Classify.
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

// Reset empties r for a pool of requests: it drops every alias of a body, and those of its own buffers that grew beyond
// keep bytes.
func (r *InferRequest) Reset(keep int) {
	r.empty()
	clear(r.Inputs[:cap(r.Inputs)])
	clear(r.Outputs[:cap(r.Outputs)])
	clear(r.Parameters[:cap(r.Parameters)])
	r.memory.shrink(keep)
}

// empty makes r the request that asks for nothing, with its memory kept.
func (r *InferRequest) empty() {
	r.ID = ""
	r.Parameters = r.Parameters[:0]
	r.Inputs = r.Inputs[:0]
	r.Outputs = r.Outputs[:0]
	r.BinaryDefault, r.BinaryInputs = false, false
}
