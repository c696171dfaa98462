package onnx

// #include "ort.h"
import "C"

import (
	"fmt"

	"ganglion/backend"
	"ganglion/internal/oip"
)

// describe asks a live session for its inputs and outputs, and refuses those that the protocol cannot carry. (The binding
// can tell only for a second session made for the purpose, and without the names of variable dimensions.) ranked is
// parallel to outputs and false where one does not say how many dimensions it has.
func (l library) describe(session *C.OrtSession) (inputs, outputs []backend.Spec, ranked []bool, err error) {
	var ins, outs C.size_t
	if err := l.take(C.gn_counts(l.ort, session, &ins, &outs)); err != nil {
		return nil, nil, nil, err
	}
	for i := range ins {
		var raw C.gn_spec
		if err := l.take(C.gn_input_spec(l.ort, session, i, &raw)); err != nil {
			return nil, nil, nil, fmt.Errorf("input %d: %w", i, err)
		}
		spec, err := specOf(&raw, "input")
		if err != nil {
			return nil, nil, nil, err
		}
		inputs = append(inputs, spec)
	}
	for i := range outs {
		var raw C.gn_spec
		if err := l.take(C.gn_output_spec(l.ort, session, i, &raw)); err != nil {
			return nil, nil, nil, fmt.Errorf("output %d: %w", i, err)
		}
		ranked = append(ranked, bool(raw.ranked))
		spec, err := specOf(&raw, "output")
		if err != nil {
			return nil, nil, nil, err
		}
		outputs = append(outputs, spec)
	}
	return inputs, outputs, ranked, nil
}

// specOf copies raw and frees it. role is "input" or "output".
func specOf(raw *C.gn_spec, role string) (backend.Spec, error) {
	defer C.gn_free_spec(raw)
	name := C.GoString(raw.name)
	if raw.kind != kindTensor {
		return backend.Spec{}, fmt.Errorf("%s %q is %s: only tensors can be served", role, name, kindName(uint32(raw.kind)))
	}
	datatype := datatypeOf(uint32(raw.element))
	if datatype == oip.Invalid {
		return backend.Spec{}, fmt.Errorf("%s %q is a tensor of %s, which the protocol has no datatype for", role, name, elementName(uint32(raw.element)))
	}
	spec := backend.Spec{TensorMetadata: oip.TensorMetadata{Name: name, Datatype: datatype, Shape: []int64{}}}
	if !raw.ranked {
		if role == "input" {
			return backend.Spec{}, fmt.Errorf("input %q does not say how many dimensions it has: export the model with a shape for it", name)
		}
		spec.Shape, spec.Axes = []int64{-1}, []string{""}
		return spec, nil
	}
	if raw.rank > C.GN_MAX_RANK {
		return backend.Spec{}, fmt.Errorf("%s %q has %d dimensions: at most %d can be served", role, name, raw.rank, C.GN_MAX_RANK)
	}
	for i := range raw.rank {
		spec.Shape = append(spec.Shape, int64(raw.shape[i]))
		spec.Axes = append(spec.Axes, C.GoString(raw.axes[i]))
	}
	return spec, nil
}
