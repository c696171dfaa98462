package onnx

import (
	"slices"
	"sync/atomic"

	"ganglion/backend"
	"ganglion/internal/oip"
)

// prediction says how an output's shape follows from the inputs' shapes. With it the runtime writes into memory that we
// hand out, and an output that would be too large is refused before it exists.
//
// The names of dimensions are what the exporter wrote into the file, and nothing keeps them honest. A prediction that
// turns out wrong costs its run a second go, and is not used again.
type prediction struct {
	dims  []predicted
	wrong atomic.Bool
}

// predicted is one dimension: a fixed size, or that of an input's dimension.
type predicted struct {
	size       int64 // where input is -1
	input, dim int
}

// predict plans an output. It is nil when the shape cannot be told: an axis that no input has, or strings, whose memory is
// the runtime's anyway.
func predict(inputs []backend.Spec, output backend.Spec, ranked bool) *prediction {
	if !ranked || output.Datatype == oip.Bytes {
		return nil
	}
	p := &prediction{dims: make([]predicted, len(output.Shape))}
	for i, size := range output.Shape {
		if size >= 0 {
			p.dims[i] = predicted{size: size, input: -1}
			continue
		}
		var ok bool
		if p.dims[i], ok = source(inputs, output.Axes[i], i); !ok {
			return nil
		}
	}
	return p
}

// source finds the input dimension that an output's variable dimension i has its size from: one of the same name or, for
// a nameless first dimension, which is the batch in nearly every model, the first dimension of an input.
func source(inputs []backend.Spec, axis string, i int) (predicted, bool) {
	for input, spec := range inputs {
		for dim, size := range spec.Shape {
			if size < 0 && axis != "" && spec.Axes[dim] == axis {
				return predicted{input: input, dim: dim}, true
			}
		}
	}
	if axis == "" && i == 0 {
		for input, spec := range inputs {
			if len(spec.Shape) > 0 && spec.Shape[0] < 0 {
				return predicted{input: input, dim: 0}, true
			}
		}
	}
	return predicted{}, false
}

// shape appends the output's shape for inputs, which are in the model's order and of the ranks it declares.
func (p *prediction) shape(dst []int64, inputs []*oip.Tensor) []int64 {
	for _, d := range p.dims {
		if d.input >= 0 {
			d.size = inputs[d.input].Shape[d.dim]
		}
		dst = append(dst, d.size)
	}
	return dst
}

// fits reports whether shape is what was predicted.
func (p *prediction) fits(inputs []*oip.Tensor, shape []int64) bool {
	var dims [oip.MaxRank]int64
	return slices.Equal(p.shape(dims[:0], inputs), shape)
}

// differingAxes finds two inputs that give a named axis different sizes. The runtime does not check names, and some
// exporters give one name to axes that have nothing to do with each other, so it is no error by itself; but when a run
// fails, it is why.
func differingAxes(specs []backend.Spec, inputs []*oip.Tensor) *oip.Error {
	type use struct {
		input string
		dim   int
		size  int64
	}
	seen := map[string]use{}
	for i, spec := range specs {
		for dim, axis := range spec.Axes {
			if axis == "" || dim >= len(inputs[i].Shape) {
				continue
			}
			size := inputs[i].Shape[dim]
			first, found := seen[axis]
			if found && first.size != size {
				return oip.Errorf(oip.InvalidArgument,
					"input %q has size %d in dimension %d (%q), but input %q has %d in dimension %d: they must agree",
					spec.Name, size, dim, axis, first.input, first.size, first.dim)
			}
			seen[axis] = use{spec.Name, dim, size}
		}
	}
	return nil
}
