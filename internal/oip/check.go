package oip

import "strings"

// CheckRequest compares a request with the inputs and outputs of the model it is for. It refuses missing, unexpected and
// duplicate inputs, datatypes and shapes other than the model's, and requested outputs the model does not have or that
// are asked for twice. It does not allocate unless it refuses.
func CheckRequest(model string, inputs, outputs []TensorMetadata, r *InferRequest) error {
	for i := range r.Inputs {
		t := &r.Inputs[i]
		want := findMetadata(inputs, t.Name)
		if want == nil {
			return invalid("unexpected input %s for model %q, expected %s", quoted(t.Name), model, metadataNames(inputs))
		}
		for j := range i {
			if r.Inputs[j].Name == t.Name {
				return invalid("input %q for model %q comes twice", t.Name, model)
			}
		}
		if err := checkInput(model, want, t); err != nil {
			return err
		}
	}
	if len(r.Inputs) < len(inputs) { // all that came are the model's, and differ
		return missingInput(model, inputs, r)
	}
	return checkOutputs(model, outputs, r)
}

// checkInput compares one input with what the model wants.
func checkInput(model string, want *TensorMetadata, t *Tensor) error {
	if t.Datatype != want.Datatype {
		return invalid("input %q for model %q has datatype %s, expected %s", t.Name, model, t.Datatype, want.Datatype)
	}
	if !shapeFits(t.Shape, want.Shape) {
		return invalid("input %q for model %q has shape %s, expected %s", t.Name, model, shapeText(t.Shape), shapeText(want.Shape))
	}
	return nil
}

// shapeFits reports whether a tensor's shape is one that want, with its -1, allows.
func shapeFits(shape, want []int64) bool {
	if len(shape) != len(want) {
		return false
	}
	for i, dim := range want {
		if dim >= 0 && shape[i] != dim {
			return false
		}
	}
	return true
}

// missingInput names the first input that the request lacks.
func missingInput(model string, inputs []TensorMetadata, r *InferRequest) error {
	for i := range inputs {
		want := &inputs[i]
		found := false
		for j := range r.Inputs {
			found = found || r.Inputs[j].Name == want.Name
		}
		if !found {
			return invalid("input %q for model %q is missing, expected %s of shape %s; the model takes %d inputs, got %d",
				want.Name, model, want.Datatype, shapeText(want.Shape), len(inputs), len(r.Inputs))
		}
	}
	return Errorf(Internal, "model %q declares an input twice", model)
}

// checkOutputs compares the requested outputs with those the model has.
func checkOutputs(model string, outputs []TensorMetadata, r *InferRequest) error {
	for i := range r.Outputs {
		name := r.Outputs[i].Name
		if findMetadata(outputs, name) == nil {
			return invalid("unexpected output %s for model %q, expected %s", quoted(name), model, metadataNames(outputs))
		}
		for j := range i {
			if r.Outputs[j].Name == name {
				return invalid("output %q for model %q is asked for twice", name, model)
			}
		}
	}
	return nil
}

// findMetadata returns the entry called name, nil if there is none. Models have few tensors: a walk beats a map.
func findMetadata(list []TensorMetadata, name string) *TensorMetadata {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// namesShown bounds how many names a message offers.
const namesShown = 16

// metadataNames lists names for messages.
func metadataNames(list []TensorMetadata) string {
	var b strings.Builder
	for i := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == namesShown {
			b.WriteString("…")
			break
		}
		b.WriteString(quoted(list[i].Name))
	}
	if len(list) == 0 {
		return "none"
	}
	return b.String()
}
