package oip

import (
	"fmt"
	"math"
	"strings"
)

// DecodeProto reads a ModelInferRequest into r, replacing what r held and reusing its memory, and returns the model and
// version it names. Raw tensor data aliases msg; typed contents are brought into the wire layout. Every requested output
// is Binary, as raw_output_contents is how answers go back. After an error r is empty and may be decoded into again.
//
// triton_enable_empty_final_response, which Triton's C++ client puts into every request, stays among the parameters.
func (r *InferRequest) DecodeProto(msg []byte, lim Limits) (model, version string, err error) {
	r.empty()
	d := newProtoDecoder(&r.memory, lim, inputRole)
	if err = d.request(msg, r); err == nil {
		err = d.bindTensors(len(r.Inputs), func(i int) *Tensor { return &r.Inputs[i] })
	}
	if err != nil {
		r.empty()
		return "", "", err
	}
	r.BinaryInputs, r.BinaryDefault = true, true
	return d.model, d.version, nil
}

// DecodeProto reads a ModelInferResponse into r, as InferRequest.DecodeProto does; every output is Binary. After an error,
// which is Internal and no client's fault, r is empty and may be decoded into again.
func (r *InferResponse) DecodeProto(msg []byte, lim Limits) error {
	r.empty()
	d := newProtoDecoder(&r.memory, lim, outputRole)
	err := d.response(msg, r)
	if err == nil {
		err = d.bindTensors(len(r.Outputs), func(i int) *Tensor { return &r.Outputs[i].Tensor })
	}
	if err != nil {
		r.empty()
		return Errorf(Internal, "cannot read the answer: %v", err)
	}
	r.ModelName, r.ModelVersion = d.model, d.version
	return nil
}

// protoDecoder reads one message.
type protoDecoder struct {
	decoder
	model, version string
}

// newProtoDecoder readies m for a message.
func newProtoDecoder(m *memory, lim Limits, r role) protoDecoder {
	d := protoDecoder{decoder: newDecoder(m, nil, lim, r)}
	clear(m.raws[:cap(m.raws)])
	clear(m.contents[:cap(m.contents)])
	m.raws, m.contents = m.raws[:0], m.contents[:0]
	return d
}

// request reads the fields of a ModelInferRequest; the tensors' data is left for bindTensors.
func (d *protoDecoder) request(msg []byte, r *InferRequest) error {
	p := protoReader{buf: msg}
	for p.more() {
		field, err := p.next()
		if err != nil {
			return err
		}
		switch field {
		case protoParameters:
			err = d.requestParameter(&p, r)
		case protoTensors:
			if err = d.room(len(r.Inputs), "inputs"); err == nil {
				r.Inputs = append(r.Inputs, Tensor{})
				err = d.tensor(&p, &r.Inputs[len(r.Inputs)-1], len(r.Inputs)-1)
			}
		case protoRequestOutputs:
			if err = d.room(len(r.Outputs), "outputs"); err == nil {
				r.Outputs = append(r.Outputs, RequestedOutput{Binary: true})
				err = d.requestedOutput(&p, &r.Outputs[len(r.Outputs)-1], len(r.Outputs)-1)
			}
		case protoRequestRaw:
			err = d.raw(&p)
		default:
			err = d.head(&p, field, &r.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// response reads the fields of a ModelInferResponse; the tensors' data is left for bindTensors.
func (d *protoDecoder) response(msg []byte, r *InferResponse) error {
	p := protoReader{buf: msg}
	for p.more() {
		field, err := p.next()
		if err != nil {
			return err
		}
		switch field {
		case protoParameters:
			r.Parameters, err = d.protoParameter(&p, r.Parameters)
		case protoTensors:
			if err = d.room(len(r.Outputs), "outputs"); err == nil {
				r.Outputs = append(r.Outputs, OutputTensor{Binary: true})
				err = d.tensor(&p, &r.Outputs[len(r.Outputs)-1].Tensor, len(r.Outputs)-1)
			}
		case protoResponseRaw:
			err = d.raw(&p)
		default:
			err = d.head(&p, field, &r.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// head reads the fields that requests and answers begin with, and skips those nobody knows.
func (d *protoDecoder) head(p *protoReader, field int, id *string) (err error) {
	switch field {
	case protoModelName:
		d.model, err = d.protoName(p, "model_name")
	case protoModelVersion:
		d.version, err = d.protoName(p, "model_version")
	case protoID:
		var b []byte
		if b, err = d.protoText(p, "id"); err == nil {
			*id = string(b)
		}
	default:
		err = p.skip()
	}
	return err
}

// room refuses an entry beyond those accepted.
func (d *protoDecoder) room(have int, what string) error {
	if have == d.lim.Tensors {
		return invalid("%q has more than the %d entries accepted", what, d.lim.Tensors)
	}
	return nil
}

// raw takes one entry of the raw contents.
func (d *protoDecoder) raw(p *protoReader) error {
	if err := d.room(len(d.raws), d.rawField()); err != nil {
		return err
	}
	b, err := p.bytes(d.rawField())
	d.raws = append(d.raws, b)
	return err
}

// rawField is the name of the field with raw contents.
func (d *protoDecoder) rawField() string {
	if d.role == inputRole {
		return "raw_input_contents"
	}
	return "raw_output_contents"
}

// protoText reads a string no longer than accepted.
func (d *protoDecoder) protoText(p *protoReader, what string) ([]byte, error) {
	b, err := p.text(what)
	if err == nil && len(b) > d.lim.NameBytes {
		err = invalid("%q has %d bytes, at most %d are accepted", what, len(b), d.lim.NameBytes)
	}
	return b, err
}

// protoName reads a string that is likely to come again.
func (d *protoDecoder) protoName(p *protoReader, what string) (string, error) {
	b, err := d.protoText(p, what)
	return d.names.of(b), err
}

// requestParameter reads an entry of a request's parameters.
func (d *protoDecoder) requestParameter(p *protoReader, r *InferRequest) (err error) {
	if r.Parameters, err = d.protoParameter(p, r.Parameters); err != nil {
		return err
	}
	last := len(r.Parameters) - 1
	switch p := r.Parameters[last]; p.Name {
	case emptyFinalResponse:
		if _, ok := p.Value.Bool(); !ok {
			return invalid("parameter %q is %s, expected true or false", p.Name, p.Value)
		}
		return nil
	case binaryDataOutput: // raw is the only form here
		r.Parameters = r.Parameters[:last]
		return nil
	default:
		return checkParameter(p)
	}
}

// emptyFinalResponse is the one parameter of the reserved kind that gRPC clients do send.
const emptyFinalResponse = reservedPrefix + "enable_empty_final_response"

// protoParameter reads an entry of a map of parameters and appends it to dst.
func (d *protoDecoder) protoParameter(p *protoReader, dst Parameters) (Parameters, error) {
	entry, err := p.message("parameters")
	if err != nil {
		return dst, err
	}
	if len(dst) == d.lim.Parameters {
		return dst, invalid("\"parameters\" has more than the %d entries accepted", d.lim.Parameters)
	}
	var param Parameter
	for entry.more() {
		field, err := entry.next()
		if err != nil {
			return dst, err
		}
		switch field {
		case protoMapKey:
			param.Name, err = d.protoName(&entry, "a parameter's name")
		case protoMapValue:
			param.Value, err = d.parameterValue(&entry)
		default:
			err = entry.skip()
		}
		if err != nil {
			return dst, err
		}
	}
	if _, twice := dst.Lookup(param.Name); twice {
		return dst, invalid("parameter %s comes twice", quoted(param.Name))
	}
	if param.Value.kind == NoValue {
		return dst, invalid("parameter %s has no value, expected one of bool_param, int64_param, string_param, double_param, "+
			"uint64_param", quoted(param.Name))
	}
	return append(dst, param), nil
}

// parameterValue reads an InferParameter. Of a oneof given twice the last counts.
func (d *protoDecoder) parameterValue(p *protoReader) (v Value, err error) {
	m, err := p.message("a parameter")
	if err != nil {
		return v, err
	}
	return d.valueIn(&m)
}

// valueIn reads the fields of an InferParameter.
func (d *protoDecoder) valueIn(m *protoReader) (v Value, err error) {
	for m.more() {
		field, err := m.next()
		if err != nil {
			return v, err
		}
		switch field {
		case 1, 2, 5:
			var n uint64
			n, err = m.number("a parameter")
			v = protoNumber(field, n)
		case 3:
			var b []byte
			b, err = d.protoText(m, "string_param")
			v = String(string(b))
		case 4:
			if err = m.expect("double_param", wireFixed64); err == nil {
				v, err = protoDouble(m)
			}
		default:
			err = m.skip()
		}
		if err != nil {
			return v, err
		}
	}
	return v, nil
}

// protoNumber is the value of a bool_param, int64_param or uint64_param.
func protoNumber(field int, n uint64) Value {
	switch field {
	case 1:
		return Boolean(n != 0)
	case 2:
		return Integer(int64(n))
	default:
		return Unsigned(n)
	}
}

// protoDouble reads a double_param. What JSON has no form for is refused here and not only where a bridge meets it.
func protoDouble(p *protoReader) (Value, error) {
	b, err := p.fixed(8)
	if err != nil {
		return Value{}, err
	}
	f := math.Float64frombits(leUint64(b))
	if !finite(f) {
		return Value{}, invalid("a parameter is %g, expected a finite number", f)
	}
	return Float(f), nil
}

// requestedOutput reads an InferRequestedOutputTensor.
func (d *protoDecoder) requestedOutput(p *protoReader, o *RequestedOutput, index int) error {
	m, err := p.message("outputs")
	for err == nil && m.more() {
		var field int
		if field, err = m.next(); err != nil {
			break
		}
		switch field {
		case protoOutputName:
			o.Name, err = d.protoName(&m, "name")
		case protoOutputParameters:
			err = d.protoOutputParameter(&m, o)
		default:
			err = m.skip()
		}
	}
	if err == nil && o.Name == "" {
		err = invalid("it has no \"name\"")
	}
	if err != nil {
		return prefixed(fmt.Sprintf("outputs[%d]", index), err)
	}
	return nil
}

// protoOutputParameter reads one parameter of a requested output.
func (d *protoDecoder) protoOutputParameter(p *protoReader, o *RequestedOutput) error {
	var room [1]Parameter
	one, err := d.protoParameter(p, room[:0])
	if err != nil {
		return err
	}
	switch v := one[0].Value; {
	case one[0].Name == classificationName:
		o.Classification, err = classCount(v)
	case strings.HasPrefix(one[0].Name, sharedMemoryPrefix):
		err = errSharedMemory([]byte(one[0].Name))
	}
	return err
}
