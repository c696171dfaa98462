package oip

import "strconv"

// AppendInferRequest appends r as a REST infer body. headerLen is the value for Inference-Header-Content-Length,
// NoHeaderLength when the body is JSON only and the header is to be left out. After an error out is dst with something
// unfinished behind it.
func AppendInferRequest(dst []byte, r *InferRequest) (out []byte, headerLen int, err error) {
	start := len(dst)
	dst = append(dst, '{')
	if r.ID != "" {
		dst = append(dst, `"id":`...)
		dst = AppendJSONString(dst, r.ID)
		dst = append(dst, ',')
	}
	if dst, err = appendRequestParameters(dst, r); err != nil {
		return dst, NoHeaderLength, err
	}
	dst = append(dst, `"inputs":[`...)
	for i := range r.Inputs {
		if dst, err = appendInput(appendComma(dst, i), &r.Inputs[i], r.BinaryInputs); err != nil {
			return dst, NoHeaderLength, err
		}
	}
	dst = append(dst, ']')
	dst = appendRequestedOutputs(dst, r)
	dst = append(dst, '}')
	headerLen = NoHeaderLength
	if r.BinaryInputs {
		headerLen = len(dst) - start
		for i := range r.Inputs {
			dst = append(dst, r.Inputs[i].Data...)
		}
	}
	return dst, headerLen, nil
}

// appendRequestParameters appends the "parameters" member with a comma, if there are any.
func appendRequestParameters(dst []byte, r *InferRequest) (out []byte, err error) {
	if !r.BinaryDefault && len(r.Parameters) == 0 {
		return dst, nil
	}
	own := 0
	dst = append(dst, `"parameters":{`...)
	if r.BinaryDefault {
		dst = append(dst, `"binary_data_output":true`...)
		own++
	}
	for _, p := range r.Parameters {
		if p.Name == emptyFinalResponse {
			continue // gRPC has it; on HTTP the name is reserved
		}
		if dst, err = appendParameter(dst, p, own); err != nil {
			return dst, err
		}
		own++
	}
	return append(dst, "},"...), nil
}

// appendInput appends one input. Members that say how to read the data stand before it, so that it is read in one go.
func appendInput(dst []byte, t *Tensor, asBinary bool) (out []byte, err error) {
	dst = append(dst, `{"name":`...)
	dst = AppendJSONString(dst, t.Name)
	dst = append(dst, `,"shape":`...)
	dst = appendShape(dst, t.Shape)
	dst = append(dst, `,"datatype":"`...)
	dst = append(dst, t.Datatype.String()...)
	dst = append(dst, '"')
	if asBinary {
		if dst, err = appendBinarySize(dst, t); err == nil {
			dst, err = appendParameters(dst, t.Parameters, 1)
		}
		return append(dst, "}}"...), err
	}
	if len(t.Parameters) > 0 {
		dst, err = appendParameters(append(dst, `,"parameters":{`...), t.Parameters, 0)
		if err != nil {
			return dst, err
		}
		dst = append(dst, '}')
	}
	dst, err = appendData(dst, t, inputHint)
	return append(dst, '}'), err
}

// appendRequestedOutputs appends the "outputs" member behind a comma, if any output is asked for by name.
func appendRequestedOutputs(dst []byte, r *InferRequest) []byte {
	if len(r.Outputs) == 0 {
		return dst
	}
	dst = append(dst, `,"outputs":[`...)
	for i, o := range r.Outputs {
		dst = appendComma(dst, i)
		dst = append(dst, `{"name":`...)
		dst = AppendJSONString(dst, o.Name)
		dst = appendOutputParameters(dst, o, r.BinaryDefault)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendOutputParameters appends what a requested output says for itself. Where any default asks for binary data it says
// so in any case: Triton does not apply binary_data_output to outputs that are named.
func appendOutputParameters(dst []byte, o RequestedOutput, binaryDefault bool) []byte {
	binary := o.Binary || binaryDefault
	if o.Classification == 0 && !binary {
		return dst
	}
	dst = append(dst, `,"parameters":{`...)
	if o.Classification > 0 {
		dst = append(dst, `"classification":`...)
		dst = strconv.AppendInt(dst, int64(o.Classification), 10)
	}
	if binary {
		dst = appendComma(dst, o.Classification)
		dst = append(dst, `"binary_data":`...)
		dst = strconv.AppendBool(dst, o.Binary)
	}
	return append(dst, '}')
}
