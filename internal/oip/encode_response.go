package oip

// AppendInferResponse appends r as a REST answer. headerLen is the value for Inference-Header-Content-Length; with it the
// answer is application/octet-stream. It is NoHeaderLength when no output has binary data: then the answer is
// application/json.
//
// Members stand in Triton's order. An output sent as JSON has no "parameters": Triton's C++ client takes any it finds for
// those of binary data. After an error out is dst with something unfinished behind it.
func AppendInferResponse(dst []byte, r *InferResponse) (out []byte, headerLen int, err error) {
	start := len(dst)
	dst = append(dst, '{')
	if r.ID != "" {
		dst = append(dst, `"id":`...)
		dst = AppendJSONString(dst, r.ID)
		dst = append(dst, ',')
	}
	dst = append(dst, `"model_name":`...)
	dst = AppendJSONString(dst, r.ModelName)
	if r.ModelVersion != "" {
		dst = append(dst, `,"model_version":`...)
		dst = AppendJSONString(dst, r.ModelVersion)
	}
	if len(r.Parameters) > 0 {
		dst = append(dst, `,"parameters":{`...)
		if dst, err = appendParameters(dst, r.Parameters, 0); err != nil {
			return dst, NoHeaderLength, err
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `,"outputs":[`...)
	for i := range r.Outputs {
		if dst, err = appendOutput(appendComma(dst, i), &r.Outputs[i]); err != nil {
			return dst, NoHeaderLength, err
		}
	}
	dst = append(dst, "]}"...)
	out, headerLen = appendOutputBlobs(dst, len(dst)-start, r.Outputs)
	return out, headerLen, nil
}

// appendOutput appends one output.
func appendOutput(dst []byte, o *OutputTensor) (out []byte, err error) {
	dst = append(dst, `{"name":`...)
	dst = AppendJSONString(dst, o.Name)
	dst = append(dst, `,"datatype":"`...)
	dst = append(dst, o.Datatype.String()...)
	dst = append(dst, `","shape":`...)
	dst = appendShape(dst, o.Shape)
	if o.Binary {
		dst, err = appendBinarySize(dst, &o.Tensor)
		dst = append(dst, '}')
	} else {
		dst, err = appendData(dst, &o.Tensor, outputHint)
	}
	return append(dst, '}'), err
}

// appendOutputBlobs appends the binary data of the outputs. Where all of it is empty there is no header to send, as in
// Triton.
func appendOutputBlobs(dst []byte, jsonLen int, outputs []OutputTensor) (out []byte, headerLen int) {
	headerLen = NoHeaderLength
	for i := range outputs {
		if o := &outputs[i]; o.Binary && len(o.Data) > 0 {
			dst = append(dst, o.Data...)
			headerLen = jsonLen
		}
	}
	return dst, headerLen
}
