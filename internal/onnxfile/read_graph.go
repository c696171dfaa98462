package onnxfile

import (
	"errors"
	"fmt"
	"math"
)

// role says what a graph is to the model.
type role bool

const (
	mainGraph role = true
	subgraph  role = false // of a node, or of a training step
)

// graph reads a GraphProto. Constants may hide anywhere in it, so everything
// that can hold a tensor is walked.
func (r *reader) graph(m span, role role) error {
	return r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(1, wireBytes):
			return r.node(f.message("node"))
		case f.is(5, wireBytes):
			name, err := r.tensor(f.message("initializer"), weights)
			return errors.Join(err, r.initializer(name, role))
		case f.is(15, wireBytes):
			name, err := r.sparseTensor(f.message("sparse initializer"))
			return errors.Join(err, r.initializer(name, role))
		case role == subgraph:
			return nil
		case f.is(2, wireBytes):
			r.sum.Graph, err = r.src.text(f)
		case f.is(11, wireBytes):
			return r.value(f.message("graph input"), &r.sum.Inputs)
		case f.is(12, wireBytes):
			return r.value(f.message("graph output"), &r.sum.Outputs)
		}
		return err
	})
}

// initializer remembers what may be the default of an input.
func (r *reader) initializer(name string, role role) error {
	if role == subgraph {
		return nil
	}
	r.defaults[name] = true
	return r.src.keep(int64(len(name)))
}

// training reads a TrainingInfoProto: two graphs, which may hold tensors.
func (r *reader) training(m span) error {
	return r.src.walk(m, func(f field) error {
		if f.is(1, wireBytes) || f.is(2, wireBytes) {
			return r.graph(f.message("training graph"), subgraph)
		}
		return nil
	})
}

// function reads a FunctionProto: nodes, and defaults of attributes.
func (r *reader) function(m span) error {
	return r.src.walk(m, func(f field) error {
		switch {
		case f.is(7, wireBytes):
			return r.node(f.message("function node"))
		case f.is(11, wireBytes):
			return r.attribute(f.message("function attribute"))
		}
		return nil
	})
}

// node reads a NodeProto.
func (r *reader) node(m span) error {
	var domain, op string
	err := r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(4, wireBytes):
			op, err = r.src.name(f)
		case f.is(5, wireBytes):
			err = r.attribute(f.message("attribute"))
		case f.is(7, wireBytes):
			domain, err = r.src.name(f)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.countOp(canonicalDomain(domain), op)
}

// countOp adds one node to the histogram.
func (r *reader) countOp(domain, op string) error {
	ops := r.sum.Ops[domain]
	if ops == nil {
		if err := r.src.keep(int64(len(domain))); err != nil {
			return err
		}
		ops = map[string]int{}
		r.sum.Ops[domain] = ops
	}
	if ops[op] == 0 {
		if err := r.src.keep(int64(len(op))); err != nil {
			return err
		}
	}
	ops[op]++
	return nil
}

// attribute reads an AttributeProto for the tensors and graphs in it.
func (r *reader) attribute(m span) error {
	return r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(5, wireBytes), f.is(10, wireBytes):
			_, err = r.tensor(f.message("tensor attribute"), weights)
		case f.is(6, wireBytes), f.is(11, wireBytes):
			err = r.graph(f.message("subgraph"), subgraph)
		case f.is(22, wireBytes), f.is(23, wireBytes):
			_, err = r.sparseTensor(f.message("sparse tensor attribute"))
		}
		return err
	})
}

// sparseTensor reads a SparseTensorProto and returns its name, which is that of
// its values.
func (r *reader) sparseTensor(m span) (name string, err error) {
	err = r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(1, wireBytes):
			name, err = r.tensor(f.message("sparse values"), weights)
		case f.is(2, wireBytes):
			_, err = r.tensor(f.message("sparse indices"), indices)
		}
		return err
	})
	return name, err
}

// purpose says whether a tensor's elements are parameters of the model.
type purpose bool

const (
	weights purpose = true
	indices purpose = false
)

// tensor reads a TensorProto: its name, its size, where its data is.
func (r *reader) tensor(m span, p purpose) (name string, err error) {
	count, elem := int64(1), Undefined
	err = r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(1, wireVarint):
			count, err = scale(count, int64(f.value))
		case f.is(1, wireBytes):
			count, err = r.packedDims(f.message("packed dims"), count)
		case f.is(2, wireVarint):
			elem = ElementType(int32(f.value)) //nolint:gosec // a wrong number is shown as such
		case f.is(8, wireBytes):
			name, err = r.src.name(f)
		case f.is(13, wireBytes):
			err = r.external(f.message("external data"))
		}
		return err
	})
	if err != nil {
		return name, fmt.Errorf("%s at byte %d (%q): %w", m.what, m.pos, name, err)
	}
	if p == indices {
		return name, nil
	}
	if r.sum.Parameters > math.MaxInt64-count {
		return name, fmt.Errorf("constants have more than %d elements", int64(math.MaxInt64))
	}
	r.sum.Parameters += count
	return name, r.weigh(elem, count)
}

// weigh adds a tensor to those of its element type.
func (r *reader) weigh(elem ElementType, count int64) error {
	w, known := r.sum.Weights[elem]
	if !known {
		if err := r.src.keep(0); err != nil {
			return err
		}
	}
	bytes, ok := rawSize(count, elem.Bits())
	if !ok || bytes > math.MaxInt64-w.Bytes {
		return fmt.Errorf("constants of %s have more than %d bytes", elem, int64(math.MaxInt64))
	}
	r.sum.Weights[elem] = Weights{w.Tensors + 1, w.Elements + count, w.Bytes + bytes}
	return nil
}

// packedDims multiplies count by dimensions that share one field.
func (r *reader) packedDims(m span, count int64) (int64, error) {
	for pos := m.pos; pos < m.end; {
		dim, next, err := r.src.varint(pos, m.end)
		if err != nil {
			return 0, err
		}
		if count, err = scale(count, int64(dim)); err != nil {
			return 0, err
		}
		pos = next
	}
	return count, nil
}

// external notes where a tensor's data is kept.
func (r *reader) external(m span) error {
	p, err := r.property(m, r.src.name)
	if err != nil || p.Key != "location" || r.seen[p.Value] {
		return err
	}
	r.seen[p.Value] = true
	r.sum.External = append(r.sum.External, p.Value)
	return r.src.keep(int64(len(p.Value)))
}
