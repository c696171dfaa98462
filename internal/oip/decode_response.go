package oip

// Decode reads one REST answer into r, replacing what r held and reusing its memory; headerLen as in
// [InferRequest.Decode]. After an error, which is Internal and no client's fault, r is empty and may be decoded into again.
func (r *InferResponse) Decode(body []byte, headerLen int, lim Limits) error {
	r.empty()
	json, blobs, err := splitBody(body, headerLen)
	if err == nil {
		d := newDecoder(&r.memory, json, lim, outputRole)
		if err = d.response(r); err == nil {
			err = d.responseBlobs(r, blobs)
		}
	}
	if err != nil {
		r.empty()
		return Errorf(Internal, "cannot read the answer: %v", err)
	}
	return nil
}

const (
	responseModel fields = 1 << iota
	responseVersion
	responseID
	responseParameters
	responseOutputs
)

// response reads the JSON of an answer.
func (d *decoder) response(r *InferResponse) error {
	var seen fields
	err := d.object("the response", func(key []byte) error { return d.responseMember(r, key, &seen) })
	switch {
	case err != nil:
		return err
	case !seen.has(responseModel):
		return invalid("the response has no \"model_name\"")
	case !seen.has(responseOutputs):
		return invalid("the response has no \"outputs\"")
	}
	return d.s.end()
}

// responseMember reads one member of an answer.
func (d *decoder) responseMember(r *InferResponse, key []byte, seen *fields) (err error) {
	switch string(key) {
	case "model_name":
		if err = seen.add(responseModel, "model_name"); err == nil {
			r.ModelName, err = d.name(`"model_name"`)
		}
	case "model_version":
		if err = seen.add(responseVersion, "model_version"); err == nil {
			r.ModelVersion, err = d.optionalName(`"model_version"`)
		}
	case "id":
		if err = seen.add(responseID, "id"); err == nil {
			r.ID, err = d.identifier()
		}
	case "parameters":
		if err = seen.add(responseParameters, "parameters"); err == nil {
			r.Parameters, err = d.parameters(r.Parameters)
		}
	case "outputs":
		if err = seen.add(responseOutputs, "outputs"); err == nil {
			err = d.outputs(r)
		}
	default:
		err = d.s.skip()
	}
	return err
}

// optionalName is name where null means that there is none.
func (d *decoder) optionalName(what string) (string, error) {
	if none, err := d.absent(); none || err != nil {
		return "", err
	}
	return d.name(what)
}

// outputs reads the "outputs" member.
func (d *decoder) outputs(r *InferResponse) error {
	return d.tensorList(`"outputs"`, func(index int) error {
		r.Outputs = append(r.Outputs, OutputTensor{})
		return d.tensor(&r.Outputs[index].Tensor, index)
	})
}

// responseBlobs hands out the binary data of the outputs.
func (d *decoder) responseBlobs(r *InferResponse, blobs []byte) (err error) {
	for i := range r.Outputs {
		o := &r.Outputs[i]
		if blobs, err = d.takeBlob(&o.Tensor, &d.wires[i], blobs); err != nil {
			return err
		}
		o.Binary = d.wires[i].seen.has(tensorBinarySize)
	}
	return d.checkLeftover(blobs)
}
