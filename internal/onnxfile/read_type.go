package onnxfile

// kindOf maps a TypeProto's field numbers to what they declare.
func kindOf(num int) Kind {
	switch num {
	case 1:
		return Tensor
	case 4:
		return Sequence
	case 5:
		return Map
	case 7:
		return Opaque
	case 8:
		return SparseTensor
	case 9:
		return Optional
	}
	return UnknownKind
}

// value reads a ValueInfoProto and appends it to list.
func (r *reader) value(m span, list *[]Value) error {
	var v Value
	err := r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(1, wireBytes):
			v.Name, err = r.src.text(f)
		case f.is(2, wireBytes):
			v.Type, err = r.typ(f.message("type"))
		}
		return err
	})
	if err != nil {
		return err
	}
	*list = append(*list, v)
	return r.src.keep(0)
}

// typ reads a TypeProto: one of its kinds, the last when there are several.
func (r *reader) typ(m span) (t Type, err error) {
	err = r.src.walk(m, func(f field) (err error) {
		kind := kindOf(f.num)
		if kind == UnknownKind || f.wire != wireBytes {
			return nil
		}
		t, err = r.kind(f.message(kind.String()+" type"), kind)
		return err
	})
	return t, err
}

// kind reads the body of one kind of TypeProto. Field 1 is an element type in
// those that are typed by number and a nested type in the others; field 2 is a
// shape or, in maps, the type of the values.
func (r *reader) kind(m span, kind Kind) (Type, error) {
	t := Type{Kind: kind, Unranked: kind == Tensor || kind == SparseTensor}
	err := r.src.walk(m, func(f field) (err error) {
		switch {
		case kind == Opaque:
		case f.is(1, wireVarint):
			t.Elem = ElementType(int32(f.value))
		case f.is(1, wireBytes) && (kind == Sequence || kind == Optional), f.is(2, wireBytes) && kind == Map:
			if err := r.src.keep(0); err != nil {
				return err
			}
			t.Of = new(Type)
			*t.Of, err = r.typ(f.message("type"))
		case f.is(2, wireBytes) && (kind == Tensor || kind == SparseTensor):
			t.Unranked = false
			t.Dims, err = r.shape(f.message("shape"))
		}
		return err
	})
	return t, err
}

// shape reads a TensorShapeProto.
func (r *reader) shape(m span) (dims []Dim, err error) {
	err = r.src.walk(m, func(f field) error {
		if !f.is(1, wireBytes) {
			return nil
		}
		d, err := r.dim(f.message("dimension"))
		if err != nil {
			return err
		}
		dims = append(dims, d)
		return r.src.keep(0)
	})
	return dims, err
}

// dim reads a Dimension: a size, a name, or neither. Exporters of old wrote
// sizes of 0 and below for dynamic axes; below 0 they are taken as such.
func (r *reader) dim(m span) (Dim, error) {
	d := Dim{Size: -1}
	err := r.src.walk(m, func(f field) (err error) {
		switch {
		case f.is(1, wireVarint):
			d = Dim{Size: max(int64(f.value), -1)}
		case f.is(2, wireBytes):
			d = Dim{Size: -1}
			d.Name, err = r.src.text(f)
		}
		return err
	})
	return d, err
}
