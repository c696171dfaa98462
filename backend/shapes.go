package backend

import (
	"fmt"
	"maps"
	"slices"

	"ganglion/backend/modelconf"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// view is how clients see the tensors of a model and how the engine does: a configuration may narrow both, and may give
// clients another shape of as many elements. The two are parallel.
type view struct {
	clients, engine []oip.TensorMetadata
	reshaped        bool  // they differ
	batched         *bool // what shapes in the configuration tell about the first dimension; nil if there are none
}

// said is what a configuration says of one tensor.
type said struct {
	kind, name string // "input" or "output"
	modelconf.Tensor
}

func (s *said) key() string { return s.kind + "s." + conf.Quote(s.name) }

// narrow adds a tensor of the model, as the configuration has it.
func (v *view) narrow(c *modelConfig, spec *Spec, s *said) error {
	model := spec.TensorMetadata
	if s.Datatype != "" && s.Datatype != model.Datatype.String() {
		return fmt.Errorf("%s gives %s %q the datatype %s, but the model's is %s", c.Where(s.key()+".datatype"), s.kind, s.name, s.Datatype, model.Datatype)
	}
	client, engine := model, model
	if s.Shape != nil {
		inner := s.Shape
		if s.Reshape != nil {
			inner = s.Reshape
		}
		batched, err := v.batch(c, spec, s, inner)
		if err != nil {
			return err
		}
		if engine.Shape, err = merge(c, spec, s, inner, batched); err != nil {
			return err
		}
		client.Shape = engine.Shape
		if s.Reshape != nil {
			v.reshaped = true
			behind := len(engine.Shape) - len(inner) // the batch
			client.Shape = slices.Concat(engine.Shape[:behind], settled(s.Shape, inner, engine.Shape[behind:]))
		}
	}
	v.clients, v.engine = append(v.clients, client), append(v.engine, engine)
	return nil
}

// settled is a shape in which those sizes that vary are fixed that the model fixes: they are the ones that vary in inner, in
// the same order, and model is inner as the model has it. Otherwise clients could bring what does not fit the model.
func settled(shape, inner, model []int64) []int64 {
	shape = slices.Clone(shape)
	next := 0
	for i, size := range shape {
		if size >= 0 {
			continue
		}
		for inner[next] >= 0 { // modelconf has seen to it that as many vary in both
			next++
		}
		shape[i] = model[next]
		next++
	}
	return shape
}

// unranked reports whether a tensor is one that does not tell how many dimensions it has: an output, see Spec.
func unranked(spec *Spec, s *said) bool {
	return s.kind == "output" && len(spec.Shape) == 1 && spec.Shape[0] < 0 && spec.Axes[0] == ""
}

// batch reports whether a shape leaves out the batch, which all of a configuration have to do alike.
func (v *view) batch(c *modelConfig, spec *Spec, s *said, shape []int64) (bool, error) {
	where := c.Where(s.key() + ".shape")
	without := len(spec.Shape) - len(shape)
	batched := without == 1
	if unranked(spec, s) {
		batched = c.MaxBatchSize > 0
	} else if without != 0 && without != 1 {
		return false, fmt.Errorf("%s gives %s %q the shape %d, but the model's is %d", where, s.kind, s.name, shape, spec.Shape)
	} else if batched && spec.Shape[0] >= 0 {
		return false, fmt.Errorf("%s gives %s %q the shape %d without a batch, but the first dimension of the model's, %d, is always %d",
			where, s.kind, s.name, shape, spec.Shape, spec.Shape[0])
	}
	switch {
	case c.MaxBatchSize > 0 && !batched:
		hint := ""
		if len(spec.Shape) == 1 { // as Triton has it: no shape can be empty, so clients bring and get a dimension of 1
			hint = "; where nothing is left then, the shape is [1], with a reshape to []"
		}
		return false, fmt.Errorf("%s gives %s %q all dimensions of the model's shape %d, but max_batch_size = %d means that the first is left out%s",
			where, s.kind, s.name, spec.Shape, c.MaxBatchSize, hint)
	case c.MaxBatchSize == 0 && batched:
		return false, fmt.Errorf("%s gives %s %q the shape %d, but the model's is %d, and max_batch_size = 0 means that no dimension is left out",
			where, s.kind, s.name, shape, spec.Shape)
	case v.batched != nil && *v.batched != batched:
		return false, fmt.Errorf("%s gives %s %q the shape %d of the model's %d: some shapes leave out a batch, and others do not",
			where, s.kind, s.name, shape, spec.Shape)
	}
	v.batched = &batched
	return batched, nil
}

// merge is a shape that suits both the model and the configuration.
func merge(c *modelConfig, spec *Spec, s *said, shape []int64, batched bool) ([]int64, error) {
	merged := slices.Clone(shape)
	if batched {
		merged = append([]int64{-1}, shape...)
	}
	if unranked(spec, s) {
		return merged, nil
	}
	for i, size := range spec.Shape {
		switch {
		case merged[i] < 0:
			merged[i] = size
		case size >= 0 && size != merged[i]:
			return nil, fmt.Errorf("%s gives %s %q the shape %d, but the model's is %d", c.Where(s.key()+".shape"), s.kind, s.name, shape, spec.Shape)
		}
	}
	return merged, nil
}

// inputView holds the inputs of a model against the configuration.
func inputView(c *modelConfig, specs []Spec) (v view, err error) {
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		there := slices.ContainsFunc(specs, func(s Spec) bool { return s.Name == name })
		switch {
		case !there && !c.Inputs[name].Optional:
			return v, fmt.Errorf("%s configures an input %q, but the model's inputs are %s", c.Where("inputs."+conf.Quote(name)), name, namesOfSpecs(specs))
		case there && c.Inputs[name].Optional:
			return v, fmt.Errorf("%s says that input %q is optional, but the model has no default for it", c.Where("inputs."+conf.Quote(name)+".optional"), name)
		}
	}
	for i := range specs {
		in, ok := c.Inputs[specs[i].Name]
		if !ok && c.Complete.Inputs {
			return v, fmt.Errorf("%s lists the inputs, but not %q, which the model has: its inputs are %s", c.Where("inputs"), specs[i].Name, namesOfSpecs(specs))
		}
		if err := v.narrow(c, &specs[i], &said{"input", specs[i].Name, in.Tensor}); err != nil {
			return v, err
		}
	}
	return v, nil
}

// outputView does the same for outputs. A list of them that is complete hides the others.
func outputView(c *modelConfig, specs []Spec, batched *bool) (v view, err error) {
	v.batched = batched
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		if !slices.ContainsFunc(specs, func(s Spec) bool { return s.Name == name }) {
			return v, fmt.Errorf("%s configures an output %q, but the model's outputs are %s", c.Where("outputs."+conf.Quote(name)), name, namesOfSpecs(specs))
		}
	}
	for i := range specs {
		out, ok := c.Outputs[specs[i].Name]
		if !ok && c.Complete.Outputs {
			continue
		}
		if err := v.narrow(c, &specs[i], &said{"output", specs[i].Name, out.Tensor}); err != nil {
			return v, err
		}
	}
	return v, nil
}

// find returns the place of a tensor in the view, -1 if it is not there.
func (v *view) find(name string) int {
	return slices.IndexFunc(v.clients, func(t oip.TensorMetadata) bool { return t.Name == name })
}

// toEngine gives tensors of clients, which fit, the shapes that the engine takes.
func (v *view) toEngine(tensors []oip.Tensor) {
	for i := range tensors {
		if at := v.find(tensors[i].Name); at >= 0 {
			tensors[i].Shape = reshape(tensors[i].Shape, v.clients[at].Shape, v.engine[at].Shape)
		}
	}
}

// toClient gives a tensor of the engine's the shape that clients see.
func (v *view) toClient(t *oip.Tensor) {
	if at := v.find(t.Name); at >= 0 {
		t.Shape = reshape(t.Shape, v.engine[at].Shape, v.clients[at].Shape)
	}
}

// reshape is shape, which fits from, as it fits to: the dimensions that vary are the same ones in both, in order. A shape
// that does not fit, of an output that is not what the model says, stays as it is.
func reshape(shape, from, to []int64) []int64 {
	if len(shape) != len(from) || slices.Equal(from, to) {
		return shape
	}
	var varying []int64
	for i, size := range from {
		if size < 0 {
			varying = append(varying, shape[i])
		} else if size != shape[i] {
			return shape
		}
	}
	made := slices.Clone(to)
	for i, size := range made {
		if size < 0 {
			made[i], varying = varying[0], varying[1:] // as many vary in both, see settled
		}
	}
	return made
}

func namesOfSpecs(specs []Spec) string {
	names := make([]string, len(specs))
	for i := range specs {
		names[i] = specs[i].Name
	}
	return fmt.Sprintf("%q", names)
}
