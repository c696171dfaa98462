package oip

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

func leUint64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// tensor reads an InferInputTensor or InferOutputTensor, whose fields are the same, but for its contents: what they hold
// is only known once the datatype is.
func (d *protoDecoder) tensor(p *protoReader, t *Tensor, index int) error {
	label := func() string { return d.label(t, index) }
	m, err := p.message("a tensor")
	var contents []byte
	shapeFrom, parametersFrom := len(d.shapes), len(d.params)
	for err == nil && m.more() {
		var field int
		if field, err = m.next(); err != nil {
			break
		}
		switch field {
		case protoTensorName:
			t.Name, err = d.protoName(&m, "name")
		case protoTensorDatatype:
			t.Datatype, err = d.protoDatatype(&m)
		case protoTensorShape:
			err = d.protoDims(&m, shapeFrom)
		case protoTensorParameters:
			err = d.tensorParameter(&m, parametersFrom)
		case protoTensorContents:
			if contents != nil {
				err = invalid("\"contents\" comes twice")
			} else {
				contents, err = m.bytes("contents")
			}
		default:
			err = m.skip()
		}
	}
	if err == nil {
		t.Shape = d.shapes[shapeFrom:len(d.shapes):len(d.shapes)]
		if params := d.params[parametersFrom:]; len(params) > 0 {
			t.Parameters = slices.Clip(params)
		}
		err = d.checkTensor(t)
	}
	if err != nil {
		return prefixed(label(), err)
	}
	d.contents = append(d.contents, contents)
	return nil
}

// checkTensor checks what must be known of a tensor before its data is read.
func (d *protoDecoder) checkTensor(t *Tensor) error {
	switch {
	case t.Name == "":
		return invalid("it has no \"name\"")
	case t.Datatype == Invalid:
		return invalid("it has no \"datatype\", accepted are %s", acceptedDatatypes)
	}
	if _, err := ElementCount(t.Shape); err != nil {
		return err
	}
	return d.checkExtent(t.Shape)
}

// protoDatatype reads the name of a datatype.
func (d *protoDecoder) protoDatatype(p *protoReader) (Datatype, error) {
	b, err := p.text("datatype")
	if err != nil {
		return Invalid, err
	}
	t, ok := ParseDatatype(string(b))
	if !ok {
		return Invalid, invalid("unknown datatype %s, accepted are %s", quoted(b), acceptedDatatypes)
	}
	return t, nil
}

// protoDims reads one field of dimensions, packed or single.
func (d *protoDecoder) protoDims(p *protoReader, from int) error {
	dim := func(r *protoReader) error {
		v, err := r.varint()
		if err != nil {
			return err
		}
		if len(d.shapes)-from == MaxRank {
			return invalid("\"shape\" has more than the %d dimensions accepted", MaxRank)
		}
		d.shapes = append(d.shapes, int64(v))
		return nil
	}
	if p.wire == wireVarint {
		return dim(p)
	}
	packed, err := p.message("shape")
	for err == nil && packed.more() {
		err = dim(&packed)
	}
	return err
}

// tensorParameter reads one parameter of a tensor. Those of outputs are not kept: see Tensor.
func (d *protoDecoder) tensorParameter(p *protoReader, from int) error {
	if d.role == outputRole {
		return p.skip()
	}
	params, err := d.protoParameter(p, Parameters(d.params[from:]))
	if err != nil {
		return err
	}
	last := len(params) - 1
	switch name := params[last].Name; {
	case strings.HasPrefix(name, sharedMemoryPrefix):
		return errSharedMemory([]byte(name))
	case name == binaryDataSize: // raw contents say it themselves
		params = params[:last]
	}
	d.params = append(d.params[:from], params...)
	return nil
}

// bindTensors gives the tensors their data: entry i of the raw contents is that of tensor i, or else each has contents.
func (d *protoDecoder) bindTensors(count int, tensor func(int) *Tensor) error {
	if len(d.raws) == 0 {
		for i := range count {
			if err := d.bindContents(tensor(i), d.contents[i]); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range count {
		if len(d.contents[i]) > 0 {
			return invalid("contents field must not be specified when using %s for %s '%s'",
				d.rawField(), d.role, shortened(tensor(i).Name))
		}
	}
	if len(d.raws) != count {
		return invalid("%s has %d entries, expected one for each of the %d %ss", d.rawField(), len(d.raws), count, d.role)
	}
	for i := range count {
		t := tensor(i)
		t.Data = d.raws[i]
		if err := t.validate(d.role); err != nil {
			return err
		}
	}
	return nil
}

// The fields of InferTensorContents.
const (
	contentsBool   = 1
	contentsInt    = 2
	contentsInt64  = 3
	contentsUint   = 4
	contentsUint64 = 5
	contentsFP32   = 6
	contentsFP64   = 7
	contentsBytes  = 8
)

// contentsField is the field that holds a datatype's elements, 0 for those that travel raw only.
func contentsField(t Datatype) (field int, name string) {
	switch t {
	case Bool:
		return contentsBool, "bool_contents"
	case Int8, Int16, Int32:
		return contentsInt, "int_contents"
	case Int64:
		return contentsInt64, "int64_contents"
	case Uint8, Uint16, Uint32:
		return contentsUint, "uint_contents"
	case Uint64:
		return contentsUint64, "uint64_contents"
	case FP32:
		return contentsFP32, "fp32_contents"
	case FP64:
		return contentsFP64, "fp64_contents"
	case Bytes:
		return contentsBytes, "bytes_contents"
	default:
		return 0, ""
	}
}

// bindContents reads the typed contents of a tensor into the wire layout.
func (d *protoDecoder) bindContents(t *Tensor, contents []byte) error {
	want, name := contentsField(t.Datatype)
	count, err := ElementCount(t.Shape)
	if err != nil {
		return prefixed(d.label(t, 0), err)
	}
	if want == 0 && (contents != nil || count > 0) {
		return invalid("%s %s: %s travels in %s only", d.role, quoted(t.Name), t.Datatype, d.rawField())
	}
	const alignment = 8
	start := (len(d.memory.data) + alignment - 1) &^ (alignment - 1)
	d.memory.data = slices.Grow(d.memory.data, start-len(d.memory.data))[:start]
	p := protoReader{buf: contents}
	for p.more() {
		field, err := p.next()
		if err == nil && field != want {
			err = p.fail("field %d of the contents is not that of %s, expected %q", field, t.Datatype, name)
		}
		if err == nil {
			err = d.elements(&p, t)
		}
		if err == nil && int64(len(d.memory.data)) > d.lim.DecodedBytes {
			err = Errorf(TooLarge, "the tensors take more than the %d bytes accepted as typed contents; %s is not counted",
				d.lim.DecodedBytes, d.rawField())
		}
		if err != nil {
			return prefixed(d.label(t, 0), err)
		}
	}
	t.Data = d.memory.data[start:len(d.memory.data):len(d.memory.data)]
	return t.validate(d.role)
}

// elements reads one field of contents: one element, or packed as many as there are.
func (d *protoDecoder) elements(p *protoReader, t *Tensor) error {
	if t.Datatype == Bytes {
		b, err := p.bytes("bytes_contents")
		if err == nil {
			d.memory.data = AppendBytesElement(d.memory.data, b)
		}
		return err
	}
	float := t.Datatype == FP32 || t.Datatype == FP64
	single := wireVarint
	switch t.Datatype {
	case FP32:
		single = wireFixed32
	case FP64:
		single = wireFixed64
	}
	if p.wire == wireBytes {
		packed, err := p.message("contents")
		switch {
		case err != nil:
			return err
		case float:
			return d.packedFloats(&packed, t.Datatype.Size())
		}
		for err == nil && packed.more() {
			err = d.integerElement(&packed, t.Datatype)
		}
		return err
	}
	if err := p.expect("contents", single); err != nil {
		return err
	}
	if !float {
		return d.integerElement(p, t.Datatype)
	}
	b, err := p.fixed(t.Datatype.Size())
	d.memory.data = append(d.memory.data, b...)
	return err
}

// packedFloats takes packed floats, which have the wire layout already.
func (d *protoDecoder) packedFloats(packed *protoReader, size int) error {
	if len(packed.buf)%size != 0 {
		return packed.fail("%d bytes are no whole number of floats of %d bytes", len(packed.buf), size)
	}
	d.memory.data = append(d.memory.data, packed.buf...)
	return nil
}

// integerElement reads one varint and appends it as an element. What does not fit is refused, where Triton lets it wrap.
func (d *protoDecoder) integerElement(p *protoReader, t Datatype) error {
	v, err := p.varint()
	if err != nil {
		return err
	}
	signed, ok := int64(v), true
	switch t {
	case Bool:
		v = min(v, 1)
	case Int8:
		ok = signed >= math.MinInt8 && signed <= math.MaxInt8
	case Int16:
		ok = signed >= math.MinInt16 && signed <= math.MaxInt16
	case Int32:
		ok = signed >= math.MinInt32 && signed <= math.MaxInt32
	case Uint8:
		ok = v <= math.MaxUint8
	case Uint16:
		ok = v <= math.MaxUint16
	case Uint32:
		ok = v <= math.MaxUint32
	}
	if !ok {
		text := fmt.Sprint(v)
		if t == Int8 || t == Int16 || t == Int32 {
			text = fmt.Sprint(signed)
		}
		return invalid("element %s is out of the range of %s", text, t)
	}
	var le [8]byte
	binary.LittleEndian.PutUint64(le[:], v)
	d.memory.data = append(d.memory.data, le[:t.Size()]...)
	return nil
}
