package oip

import "slices"

// DecodeRaw reads a raw binary request (Inference-Header-Content-Length: 0): the whole body is the data of the model's
// only input, and every output goes back as binary data. At most one dimension is worked out from the size of the body;
// if the first varies and so does another, the first is 1. For BYTES the body is one element, without its length.
func (r *InferRequest) DecodeRaw(body []byte, inputs []TensorMetadata, lim Limits) error {
	r.empty()
	if len(inputs) != 1 {
		return invalid("a raw binary request needs a model with one input, this one has %d: %s", len(inputs), metadataNames(inputs))
	}
	in := &inputs[0]
	r.memory.reset(nil)
	shape := append(r.memory.shapes, in.Shape...)
	r.memory.shapes = shape
	t := Tensor{Name: in.Name, Datatype: in.Datatype, Shape: shape, Data: body}
	if err := rawShape(&t); err != nil {
		return err
	}
	if t.Datatype == Bytes {
		r.memory.data = AppendBytesElement(slices.Grow(r.memory.data, bytesPrefix+len(body)), body)
		t.Data = r.memory.data
	}
	if err := t.validate(inputRole); err != nil {
		return err
	}
	if count, _ := ElementCount(t.Shape); count > lim.Elements {
		return invalid("input %q has %d elements, at most %d are accepted", in.Name, count, lim.Elements)
	}
	r.Inputs = append(r.Inputs, t)
	r.BinaryDefault, r.BinaryInputs = true, true
	return nil
}

// rawShape replaces the variable dimensions of t's shape.
func rawShape(t *Tensor) error {
	wanted := shapeText(t.Shape)
	if t.Datatype == Bytes {
		for i, dim := range t.Shape {
			if dim < 0 {
				t.Shape[i] = 1 // the body is one element, and Validate refuses any other number of them
			}
		}
		return nil
	}
	variable := slices.Index(t.Shape, -1)
	if variable == 0 {
		if next := slices.Index(t.Shape[1:], -1); next >= 0 {
			t.Shape[0] = 1
			variable = 1 + next
		}
	}
	if variable < 0 {
		return nil
	}
	if slices.Contains(t.Shape[variable+1:], -1) {
		return invalid("input %q has shape %s: a raw binary request leaves room for one variable dimension behind the first",
			t.Name, wanted)
	}
	t.Shape[variable] = 1
	count, err := ElementCount(t.Shape)
	if err != nil {
		return err
	}
	if one := count * int64(t.Datatype.Size()); one > 0 {
		t.Shape[variable] = int64(len(t.Data)) / one
	}
	return nil
}
