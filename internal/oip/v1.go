package oip

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
)

// KServe v1 has no datatypes, shapes or names: a request is {"instances":[…]}, one entry for each row of the batch, and
// the model's metadata says what the numbers are. For a model with one input an instance is the row itself, or an object
// with the input's name; for several inputs it is such an object. Where a shape varies, the first instance decides.

// column is an input of a v1 request while its instances are gathered.
type column struct {
	dims  []int64 // of one instance; -1 until the first array at that level was seen
	data  []byte
	count int64 // elements
	rows  int   // instances
}

// DecodeV1 reads a KServe v1 predict body as a request to a model with these inputs. The request passes CheckRequest.
// Memory is reused as in Decode.
func (r *InferRequest) DecodeV1(body []byte, inputs []TensorMetadata, lim Limits) error {
	r.empty()
	d := newDecoder(&r.memory, body, lim, inputRole)
	err := d.openColumns(inputs)
	if err == nil {
		err = d.v1(inputs)
	}
	if err == nil {
		err = d.closeColumns(r, inputs)
	}
	if err != nil {
		r.empty()
	}
	return err
}

// openColumns readies a column for each input.
func (d *decoder) openColumns(inputs []TensorMetadata) error {
	d.columns = slices.Grow(d.columns[:0], len(inputs))[:len(inputs)]
	for i := range inputs {
		in, c := &inputs[i], &d.columns[i]
		switch {
		case elementReaderFor(in.Datatype) == nil:
			return Errorf(Unsupported, "input %q is %s, which v1 predict cannot carry; use /v2/models/NAME/infer with binary data",
				in.Name, in.Datatype)
		case len(in.Shape) == 0:
			return Errorf(Unsupported, "input %q has no batch dimension, which v1 predict needs; use /v2/models/NAME/infer", in.Name)
		}
		*c = column{dims: append(c.dims[:0], in.Shape[1:]...), data: c.data[:0]}
	}
	return nil
}

// v1 reads the body.
func (d *decoder) v1(inputs []TensorMetadata) error {
	const instances fields = 1
	var seen fields
	err := d.object("the request", func(key []byte) (err error) {
		switch string(key) {
		case "instances":
			if err = seen.add(instances, "instances"); err == nil {
				err = d.list(`"instances"`, func(index int) error { return d.instance(inputs, index) })
			}
		case "inputs":
			err = Errorf(Unsupported, "v1 predict with \"inputs\" (columns) is not supported, send \"instances\" (rows)")
		default:
			err = d.s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if !seen.has(instances) {
		return invalid("the request has no \"instances\"")
	}
	return d.s.end()
}

// instance reads one entry of "instances".
func (d *decoder) instance(inputs []TensorMetadata, index int) error {
	if d.s.peek() == '{' && !d.onBase64(inputs) {
		return d.instanceObject(inputs, index)
	}
	if len(inputs) != 1 {
		return d.s.mistyped(fmt.Sprintf("instances[%d]", index), "an object with the model's inputs "+metadataNames(inputs))
	}
	return d.instanceValue(&inputs[0], &d.columns[0], index)
}

// instanceObject reads an instance that names the inputs.
func (d *decoder) instanceObject(inputs []TensorMetadata, index int) error {
	err := d.object("", func(key []byte) error {
		i := slices.IndexFunc(inputs, func(in TensorMetadata) bool { return in.Name == string(key) })
		switch {
		case i < 0:
			return invalid("instances[%d]: unexpected input %s, expected %s", index, quoted(key), metadataNames(inputs))
		case d.columns[i].rows > index:
			return invalid("instances[%d]: input %q comes twice", index, inputs[i].Name)
		}
		return d.instanceValue(&inputs[i], &d.columns[i], index)
	})
	if err != nil {
		return err
	}
	for i := range inputs {
		if d.columns[i].rows == index {
			return invalid("instances[%d]: input %q is missing", index, inputs[i].Name)
		}
	}
	return nil
}

// instanceValue reads one instance of one input.
func (d *decoder) instanceValue(in *TensorMetadata, c *column, index int) error {
	d.s.peek()
	a := arrayReader{
		s: d.s, read: elementReaderFor(in.Datatype), dims: c.dims, dst: c.data, subject: subject{instance: index},
	}
	if in.Datatype == Bytes {
		a.read = readV1Bytes
	}
	fault := ""
	if len(c.dims) == 0 {
		if a.dst, fault = a.read(d.s, a.dst); fault != "" {
			fault = a.subject.String() + fault
		}
		a.count++
	} else {
		fault = a.array(0)
	}
	if fault != "" {
		return invalid("input %q: %s", in.Name, fault)
	}
	d.decoded += int64(len(a.dst) - len(c.data))
	c.data = a.dst
	c.count += a.count
	c.rows++
	switch {
	case c.count > d.lim.Elements:
		return invalid("input %q has more than the %d elements accepted", in.Name, d.lim.Elements)
	case d.decoded > d.lim.DecodedBytes:
		return d.tooManyBytes()
	}
	return nil
}

// closeColumns makes the columns the inputs of r.
func (d *decoder) closeColumns(r *InferRequest, inputs []TensorMetadata) error {
	for i := range inputs {
		in, c := &inputs[i], &d.columns[i]
		switch batch := in.Shape[0]; {
		case c.rows == 0:
			return invalid("\"instances\" is empty, expected at least one")
		case batch >= 0 && batch != int64(c.rows):
			return invalid("\"instances\" has %d entries, input %q takes exactly %d", c.rows, in.Name, batch)
		}
		start := len(d.shapes)
		d.shapes = append(d.shapes, int64(c.rows))
		for _, dim := range c.dims {
			d.shapes = append(d.shapes, max(dim, 0)) // still open: it lies inside arrays that are all empty
		}
		t := Tensor{Name: in.Name, Datatype: in.Datatype, Shape: d.shapes[start:len(d.shapes):len(d.shapes)], Data: c.data}
		r.Inputs = append(r.Inputs, t)
	}
	return nil
}

// base64Member is the member of the object that stands for bytes which are no text, as TensorFlow Serving has it.
const base64Member = "b64"

// onBase64 reports whether the object the scanner stands on is such a value and not a row that names its input.
func (d *decoder) onBase64(inputs []TensorMetadata) bool {
	if len(inputs) != 1 || inputs[0].Datatype != Bytes || inputs[0].Name == base64Member {
		return false
	}
	ahead := *d.s
	if ahead.open('{') != nil {
		return false
	}
	key, more, err := ahead.member(true)
	return err == nil && more && string(key) == base64Member
}

// readV1Bytes is the elementReader for BYTES in v1: a string, or {"b64":"…"}.
func readV1Bytes(s *scanner, dst []byte) ([]byte, string) {
	if s.peek() != '{' {
		return readBytes(s, dst)
	}
	text, err := s.base64Text()
	if err != nil {
		return dst, ": " + err.Error()
	}
	start := len(dst)
	dst, err = base64.StdEncoding.AppendDecode(append(dst, 0, 0, 0, 0), text)
	if err != nil {
		return dst, fmt.Sprintf(": member %q is not base64: %v", base64Member, err)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-bytesPrefix))
	return dst, ""
}

// base64Text reads the object {"b64":"…"} and returns the text.
func (s *scanner) base64Text() (text []byte, err error) {
	if err := s.open('{'); err != nil {
		return nil, err
	}
	key, more, err := s.member(true)
	if err != nil {
		return nil, err
	}
	if !more || string(key) != base64Member {
		return nil, s.fail("expected a string or {%q:\"…\"}", base64Member)
	}
	if text, err = s.str(); err != nil {
		return nil, err
	}
	if s.peek() != '}' {
		return nil, s.unexpected("'}'")
	}
	s.pos++
	s.depth--
	return text, nil
}
