package oip

// InferResponse is one inference response. Ownership is as for [InferRequest].
type InferResponse struct {
	ModelName    string
	ModelVersion string
	ID           string // the request's; left out of the answer when empty
	Parameters   Parameters
	Outputs      []OutputTensor

	memory memory
}

// OutputTensor is one tensor of a response.
type OutputTensor struct {
	Tensor
	Binary bool // sent as binary data
}

// Reset empties r for a pool of responses, as [InferRequest.Reset] does.
func (r *InferResponse) Reset(keep int) {
	r.empty()
	clear(r.Outputs[:cap(r.Outputs)])
	clear(r.Parameters[:cap(r.Parameters)])
	r.memory.shrink(keep)
}

// empty makes r an answer without content, with its memory kept.
func (r *InferResponse) empty() {
	r.ModelName, r.ModelVersion, r.ID = "", "", ""
	r.Parameters = r.Parameters[:0]
	r.Outputs = r.Outputs[:0]
}
