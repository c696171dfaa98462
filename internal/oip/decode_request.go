package oip

import (
	"fmt"
	"slices"
	"strings"
)

// Decode reads one REST infer body into r, replacing what r held and reusing its memory. headerLen is the value of the
// Inference-Header-Content-Length header, NoHeaderLength when the request has none. (0 announces a raw binary request,
// which cannot be read without the model's metadata: see DecodeRaw.) After an error r is empty and may be decoded into
// again.
func (r *InferRequest) Decode(body []byte, headerLen int, lim Limits) error {
	r.empty()
	if headerLen == 0 {
		return invalid("%s is 0, a raw binary request: it can only be read as the single input of a model", HeaderLengthName)
	}
	json, blobs, err := splitBody(body, headerLen)
	if err != nil {
		return err
	}
	d := newDecoder(&r.memory, json, lim, inputRole)
	if err = d.request(r); err == nil {
		err = d.requestBlobs(r, blobs)
	}
	if err != nil {
		r.empty()
	}
	return err
}

const (
	requestID fields = 1 << iota
	requestParameters
	requestInputs
	requestOutputs
)

// request reads the JSON of an infer request.
func (d *decoder) request(r *InferRequest) error {
	var seen fields
	err := d.object("the request", func(key []byte) (err error) {
		switch string(key) {
		case "id":
			if err = seen.add(requestID, "id"); err == nil {
				r.ID, err = d.identifier()
			}
		case "parameters":
			if err = seen.add(requestParameters, "parameters"); err == nil {
				err = d.requestParameters(r)
			}
		case "inputs":
			if err = seen.add(requestInputs, "inputs"); err == nil {
				err = d.inputs(r)
			}
		case "outputs":
			if err = seen.add(requestOutputs, "outputs"); err == nil {
				err = d.requestedOutputs(r)
			}
		default:
			err = d.s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if !seen.has(requestInputs) {
		return invalid("the request has no \"inputs\"")
	}
	for i := range r.Outputs {
		// binary_data_output may stand behind the outputs in the text; what an output says for itself comes first.
		if !d.explicit[i] {
			r.Outputs[i].Binary = r.BinaryDefault
		}
	}
	return d.s.end()
}

// inputs reads the "inputs" member.
func (d *decoder) inputs(r *InferRequest) error {
	return d.tensorList(`"inputs"`, func(index int) error {
		r.Inputs = append(r.Inputs, Tensor{})
		return d.tensor(&r.Inputs[index], index)
	})
}

// requestBlobs hands out the binary data of the inputs.
func (d *decoder) requestBlobs(r *InferRequest, blobs []byte) (err error) {
	for i := range r.Inputs {
		if blobs, err = d.takeBlob(&r.Inputs[i], &d.wires[i], blobs); err != nil {
			return err
		}
		r.BinaryInputs = r.BinaryInputs || d.wires[i].seen.has(tensorBinarySize)
	}
	return d.checkLeftover(blobs)
}

// requestParameters reads the request's parameters and takes binary_data_output, which is for the codec, out of them.
func (d *decoder) requestParameters(r *InferRequest) (err error) {
	if r.Parameters, err = d.parameters(r.Parameters); err != nil {
		return err
	}
	for _, p := range r.Parameters {
		if err := checkParameter(p); err != nil {
			return err
		}
	}
	if v, ok := r.Parameters.Lookup(binaryDataOutput); ok {
		r.BinaryDefault, _ = v.Bool()
		r.Parameters = slices.DeleteFunc(r.Parameters, func(p Parameter) bool { return p.Name == binaryDataOutput })
	}
	return nil
}

// Names that more than one place knows.
const (
	binaryDataOutput   = "binary_data_output"
	binaryDataSize     = "binary_data_size"
	classificationName = "classification"
	sharedMemoryPrefix = "shared_memory_"
	reservedPrefix     = "triton_"
)

// checkParameter checks those parameters of a request that the protocol defines.
func checkParameter(p Parameter) error {
	ok, want := true, ""
	switch p.Name {
	case "sequence_id":
		_, number := p.Value.Uint()
		_, text := p.Value.Text()
		ok, want = number || text, "a string or a whole number from 0"
	case "sequence_start", "sequence_end", binaryDataOutput:
		_, ok = p.Value.Bool()
		want = "true or false"
	case "priority", "timeout":
		_, ok = p.Value.Uint()
		want = "a whole number from 0"
	case "headers":
		return invalid("parameter \"headers\" is reserved and cannot be sent")
	default:
		if strings.HasPrefix(p.Name, reservedPrefix) {
			return invalid("parameter %s: names that start with \"triton_\" are reserved and cannot be sent", quoted(p.Name))
		}
	}
	if !ok {
		return invalid("parameter %q is %s, expected %s", p.Name, p.Value, want)
	}
	return nil
}

const (
	outputName fields = 1 << iota
	outputParameters
	outputBinary
	outputClasses
)

// requestedOutputs reads the "outputs" member.
func (d *decoder) requestedOutputs(r *InferRequest) error {
	if none, err := d.absent(); none || err != nil {
		return err
	}
	return d.tensorList(`"outputs"`, func(index int) error {
		r.Outputs = append(r.Outputs, RequestedOutput{})
		d.explicit = append(d.explicit, false)
		return d.requestedOutput(&r.Outputs[index], &d.explicit[index], index)
	})
}

// requestedOutput reads one entry of "outputs"; explicit tells whether it says how it is to come back.
func (d *decoder) requestedOutput(o *RequestedOutput, explicit *bool, index int) error {
	if d.s.peek() != '{' {
		return d.s.mistyped(fmt.Sprintf("outputs[%d]", index), "an object")
	}
	var seen fields
	err := d.object("", func(key []byte) (err error) {
		switch string(key) {
		case "name":
			if err = seen.add(outputName, "name"); err == nil {
				o.Name, err = d.name(`"name"`)
			}
		case "parameters":
			if err = seen.add(outputParameters, "parameters"); err == nil {
				err = d.outputParameters(o, &seen)
			}
		default:
			err = d.s.skip()
		}
		return err
	})
	if err == nil && o.Name == "" {
		err = invalid("it has no \"name\"")
	}
	if err != nil {
		return prefixed(fmt.Sprintf("outputs[%d]", index), err)
	}
	*explicit = seen.has(outputBinary)
	return nil
}

// outputParameters reads the parameters of a requested output.
func (d *decoder) outputParameters(o *RequestedOutput, seen *fields) error {
	if none, err := d.absent(); none || err != nil {
		return err
	}
	return d.object(`"parameters"`, func(key []byte) (err error) {
		switch string(key) {
		case "binary_data":
			if err = seen.add(outputBinary, "binary_data"); err == nil {
				o.Binary, err = d.flag(`"binary_data"`)
			}
			return err
		case classificationName:
			if err = seen.add(outputClasses, classificationName); err != nil {
				return err
			}
			v, err := d.value(classificationName)
			if err == nil {
				o.Classification, err = classCount(v)
			}
			return err
		case "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset":
			return errSharedMemory(key)
		default:
			return d.otherParameter(key)
		}
	})
}
