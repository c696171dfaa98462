package oip

import (
	"errors"
	"fmt"
	"slices"
)

const (
	tensorName fields = 1 << iota
	tensorDatatype
	tensorShape
	tensorParameters
	tensorData
	tensorBinarySize
)

// wire says how a tensor's data came. It is of no interest once the tensor is decoded.
type wire struct {
	seen       fields
	count      int64 // elements of the shape
	binarySize int64 // value of binary_data_size
	dataAt     int   // where "data" starts, if it came before shape and datatype were known; else 0
}

// tensor reads one tensor object: all but data that comes as binary, for which it leaves a wire.
func (d *decoder) tensor(t *Tensor, index int) error {
	w := wire{}
	label := func() string { return d.label(t, index) }
	if d.s.peek() != '{' {
		return d.s.mistyped(label(), "an object")
	}
	err := d.object("", func(key []byte) error { return d.tensorMember(t, &w, key, label) })
	if err == nil {
		err = d.closeTensor(t, &w, label)
	}
	d.wires = append(d.wires, w)
	return err
}

// label is what messages call a tensor: by its name if that is known yet.
func (d *decoder) label(t *Tensor, index int) string {
	if t.Name != "" {
		return fmt.Sprintf("%s %s", d.role, quoted(t.Name))
	}
	return fmt.Sprintf("%ss[%d]", d.role, index)
}

// tensorMember reads one member of a tensor object.
func (d *decoder) tensorMember(t *Tensor, w *wire, key []byte, label func() string) (err error) {
	switch string(key) {
	case "name":
		if err = w.seen.add(tensorName, "name"); err == nil {
			t.Name, err = d.name(`"name"`)
		}
	case "datatype":
		if err = w.seen.add(tensorDatatype, "datatype"); err == nil {
			t.Datatype, err = d.datatype()
		}
	case "shape":
		if err = w.seen.add(tensorShape, "shape"); err == nil {
			t.Shape, w.count, err = d.shape()
		}
	case "parameters":
		if err = w.seen.add(tensorParameters, "parameters"); err == nil {
			err = d.tensorParameters(t, w)
		}
	case "data":
		if err = w.seen.add(tensorData, "data"); err == nil {
			err = d.dataMember(t, w)
		}
	default:
		return d.s.skip()
	}
	if err != nil {
		return prefixed(label(), err)
	}
	return nil
}

// prefixed says which tensor an error is about. The code stays.
func prefixed(label string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Code: e.Code, Msg: label + ": " + e.Msg}
	}
	return err
}

// datatype reads the name of a datatype.
func (d *decoder) datatype() (Datatype, error) {
	b, err := d.text(`"datatype"`)
	if err != nil {
		return Invalid, err
	}
	t, ok := ParseDatatype(string(b))
	if !ok {
		return Invalid, invalid("unknown datatype %s, accepted are %s", quoted(b), acceptedDatatypes)
	}
	return t, nil
}

// shape reads a shape and returns the number of elements it has.
func (d *decoder) shape() (shape []int64, count int64, err error) {
	start := len(d.shapes)
	err = d.list(`"shape"`, func(index int) error {
		if index == MaxRank {
			return invalid("\"shape\" has more than the %d dimensions accepted", MaxRank)
		}
		dim, fault := d.wholeNumber()
		if fault != "" {
			return invalid("shape[%d]%s", index, fault)
		}
		d.shapes = append(d.shapes, dim)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	shape = d.shapes[start:len(d.shapes):len(d.shapes)]
	if count, err = ElementCount(shape); err != nil {
		return nil, 0, err
	}
	return shape, count, d.checkExtent(shape)
}

// checkExtent refuses shapes beyond the limit, which are good otherwise.
func (d *decoder) checkExtent(shape []int64) error {
	if extent, _ := extentOf(shape); extent > d.lim.Elements {
		return invalid("shape %s is larger than the %d elements accepted, empty dimensions not counted",
			shapeText(shape), d.lim.Elements)
	}
	return nil
}

// tensorParameters reads the parameters of one tensor. Those of inputs that we do not know are kept for who may; servers
// are known to answer with objects and lists in those of outputs, which are only read over.
func (d *decoder) tensorParameters(t *Tensor, w *wire) error {
	if none, err := d.absent(); none || err != nil {
		return err
	}
	from := len(d.params)
	err := d.object(`"parameters"`, func(key []byte) (err error) {
		switch string(key) {
		case binaryDataSize:
			if err = w.seen.add(tensorBinarySize, binaryDataSize); err != nil {
				return err
			}
			size, fault := d.wholeNumber()
			if fault != "" {
				return invalid("\"binary_data_size\"%s", fault)
			}
			w.binarySize = size
			return nil
		case "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset":
			return errSharedMemory(key)
		}
		if d.role == outputRole {
			return d.s.skip()
		}
		params, err := d.parameter(Parameters(d.params[from:]), key)
		d.params = append(d.params[:from], params...)
		return err
	})
	if params := d.params[from:]; len(params) > 0 {
		t.Parameters = slices.Clip(params)
	}
	return err
}

// errSharedMemory refuses a parameter of the shared memory extensions: client and node need not share a host.
func errSharedMemory(key []byte) error {
	return Errorf(Unsupported, "parameter %q: shared memory is not supported, send the data with the request", key)
}

// otherParameter checks a parameter of a requested output that we do not use.
func (d *decoder) otherParameter(key []byte) error {
	if none, err := d.absent(); none || err != nil {
		return err
	}
	_, err := d.value(string(key))
	return err
}

// dataMember reads "data", at once if it is known what it holds.
func (d *decoder) dataMember(t *Tensor, w *wire) error {
	if none, err := d.absent(); none || err != nil {
		w.seen &^= tensorData
		return err
	}
	if w.seen.has(tensorDatatype) && w.seen.has(tensorShape) {
		return d.data(t, w.count)
	}
	w.dataAt = d.s.pos
	return d.s.skip()
}

// closeTensor checks that a tensor is complete and reads data that had to wait.
func (d *decoder) closeTensor(t *Tensor, w *wire, label func() string) (err error) {
	switch {
	case t.Name == "":
		err = invalid("%s has no \"name\"", label())
	case !w.seen.has(tensorDatatype):
		err = invalid("%s has no \"datatype\", accepted are %s", label(), acceptedDatatypes)
	case !w.seen.has(tensorShape):
		err = invalid("%s has no \"shape\"", label())
	case w.seen.has(tensorData) && w.seen.has(tensorBinarySize):
		err = invalid("%s has both \"data\" and \"binary_data_size\", expected one of them", label())
	case !w.seen.has(tensorData) && !w.seen.has(tensorBinarySize):
		err = invalid("%s has neither \"data\" nor the parameter \"binary_data_size\"", label())
	case w.dataAt > 0:
		after := d.s.pos
		d.s.pos = w.dataAt
		if err = d.data(t, w.count); err != nil {
			err = prefixed(label(), err)
		}
		d.s.pos = after
	}
	return err
}

// data reads the array of a tensor's elements, flat or nested as the shape says, into memory.data.
func (d *decoder) data(t *Tensor, count int64) error {
	read := elementReaderFor(t.Datatype)
	if read == nil {
		return invalid("receiving %s data via JSON is not supported; send it as binary data (parameter \"binary_data_size\")",
			t.Datatype)
	}
	if d.s.peek() != '[' {
		return d.s.mistyped(`"data"`, "an array")
	}
	if err := d.reserve(t.Datatype, count); err != nil {
		return err
	}
	start := len(d.memory.data)
	d.flat[0] = count
	a := arrayReader{s: d.s, read: read, dims: d.flat[:], dst: d.memory.data, subject: dataMember, shape: t.Shape}
	if len(t.Shape) > 1 && d.nested() {
		a.dims = t.Shape
	}
	fault := a.array(0)
	d.memory.data = a.dst
	switch {
	case fault != "":
		return invalid("%s", fault)
	case int64(len(a.dst)) > d.lim.DecodedBytes:
		return d.tooManyBytes()
	}
	t.Data = a.dst[start:len(a.dst):len(a.dst)]
	return nil
}

// smallData is the room that memory.data starts with, so that ordinary small requests never grow it.
const smallData = 512

// reserve makes room in memory.data for count elements, as far as the rest of the input can hold so many: an element
// takes a byte and a comma at least. The elements begin at a multiple of 8, as whoever computes with them likes.
func (d *decoder) reserve(t Datatype, count int64) error {
	const alignment = 8
	start := (len(d.memory.data) + alignment - 1) &^ (alignment - 1)
	size := int64(max(t.Size(), bytesPrefix))
	if count > (d.lim.DecodedBytes-int64(start))/size {
		return d.tooManyBytes()
	}
	possible := int64(len(d.s.buf)-d.s.pos) / 2
	room := max(int(min(count, possible)*size), smallData)
	if t == Bytes {
		room = smallData // how much follows the prefixes only shows on the way
	}
	d.memory.data = slices.Grow(d.memory.data, start-len(d.memory.data)+room)[:start]
	return nil
}

// tooManyBytes refuses tensors that are over the limit once decoded.
func (d *decoder) tooManyBytes() error {
	return Errorf(TooLarge, "the tensors take more than the %d bytes accepted as JSON; binary data is not counted",
		d.lim.DecodedBytes)
}

// nested reports whether the array the scanner stands on has an array as its first element.
func (d *decoder) nested() bool {
	start := d.s.pos
	d.s.pos++
	c := d.s.peek()
	d.s.pos = start
	return c == '['
}
