package oip

import (
	"math"
	"strconv"
	"strings"
)

// decoder reads one message. What requests and responses share is here: strings, members, parameters. Tensors are read in
// decode_tensor.go.
type decoder struct {
	*memory
	s    *scanner
	lim  Limits
	role role

	decoded int64 // bytes in the columns of a v1 request
}

// role is what a message calls its tensors.
type role string

const (
	inputRole  role = "input"
	outputRole role = "output"
)

// newDecoder readies m for the JSON part of a message.
func newDecoder(m *memory, json []byte, lim Limits, r role) decoder {
	m.reset(json)
	return decoder{memory: m, s: &m.scan, lim: lim, role: r}
}

// fields is the set of known members met in one object. One that comes twice is refused: readers differ over which of the
// two counts, and what a gateway checked must be what the node computes.
type fields uint16

// add puts a member into the set.
func (f *fields) add(field fields, name string) error {
	if *f&field != 0 {
		return invalid("member %q comes twice", name)
	}
	*f |= field
	return nil
}

func (f fields) has(field fields) bool { return f&field != 0 }

// object reads an object and calls member for each of its members. The key is only valid until member reads a value.
func (d *decoder) object(what string, member func(key []byte) error) error {
	if d.s.peek() != '{' {
		return d.s.mistyped(what, "an object")
	}
	if err := d.s.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		key, more, err := d.s.member(first)
		if err != nil || !more {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
	}
}

// list reads an array and calls element before each of its elements, with its index; the element is left to it.
func (d *decoder) list(what string, element func(index int) error) error {
	if d.s.peek() != '[' {
		return d.s.mistyped(what, "an array")
	}
	if err := d.s.open('['); err != nil {
		return err
	}
	for index := 0; ; index++ {
		more, err := d.s.element(index == 0)
		if err != nil || !more {
			return err
		}
		if err := element(index); err != nil {
			return err
		}
	}
}

// tensorList is list for inputs and outputs, of which only so many are accepted.
func (d *decoder) tensorList(what string, element func(index int) error) error {
	return d.list(what, func(index int) error {
		if index == d.lim.Tensors {
			return invalid("%s has more than the %d entries accepted", what, d.lim.Tensors)
		}
		return element(index)
	})
}

// text reads a string that names something. It is valid until the next string with escapes is read.
func (d *decoder) text(what string) ([]byte, error) {
	if d.s.peek() != '"' {
		return nil, d.s.mistyped(what, "a string")
	}
	b, err := d.s.str()
	if err != nil {
		return nil, err
	}
	if len(b) > d.lim.NameBytes {
		return nil, invalid("%s has %d bytes, at most %d are accepted", what, len(b), d.lim.NameBytes)
	}
	return b, nil
}

// name reads a string that is likely to come again.
func (d *decoder) name(what string) (string, error) {
	b, err := d.text(what)
	return d.names.of(b), err
}

// flag reads a boolean.
func (d *decoder) flag(what string) (bool, error) {
	if c := d.s.peek(); c != 't' && c != 'f' {
		return false, d.s.mistyped(what, "true or false")
	}
	return d.s.boolean()
}

// wholeNumber reads a number from 0 on that int64 holds. The fault is the predicate of a message, as from an
// elementReader.
func (d *decoder) wholeNumber() (value int64, fault string) {
	const want = ", expected a whole number from 0"
	kind := valueKind(d.s.peek())
	switch {
	case kind == "":
		return 0, ": " + d.s.unexpected("a whole number from 0").Error()
	case !d.s.onNumber():
		return 0, " is " + kind + want
	}
	start := d.s.pos
	magnitude, negative, fault := d.s.integer(Uint64)
	switch {
	case strings.HasPrefix(fault, ": "):
		return 0, fault
	case fault != "" || magnitude > math.MaxInt64 || negative && magnitude > 0:
		return 0, " is " + shortened(d.s.buf[start:d.s.pos]) + want
	}
	return int64(magnitude), ""
}

// absent takes a null where an optional member has its value. Clients that print every field they have, Python's None
// included, mean by it that there is none.
func (d *decoder) absent() (bool, error) { return d.s.null() }

// identifier reads the id of a message. Ids hardly ever come twice, so they are kept out of the remembered names.
func (d *decoder) identifier() (string, error) {
	if none, err := d.absent(); none || err != nil {
		return "", err
	}
	b, err := d.text(`"id"`)
	if err != nil || len(b) == 0 {
		return "", err
	}
	return string(b), nil
}

// value reads the value of a parameter: a string, a boolean or a number.
func (d *decoder) value(name string) (Value, error) {
	switch c := d.s.peek(); {
	case c == '"':
		b, err := d.s.str()
		if err == nil && len(b) > d.lim.NameBytes {
			err = invalid("parameter %s has %d bytes, at most %d are accepted", quoted(name), len(b), d.lim.NameBytes)
		}
		return String(string(b)), err
	case c == 't' || c == 'f':
		b, err := d.s.boolean()
		return Boolean(b), err
	case d.s.onNumber():
		return d.numberValue(name)
	default:
		return Value{}, d.s.mistyped("parameter "+quoted(name), "a string, a boolean or a number")
	}
}

// numberValue reads a number into the narrowest kind of value that holds it exactly, or a float.
func (d *decoder) numberValue(name string) (Value, error) {
	start := d.s.pos
	n, err := d.s.number()
	if err != nil {
		return Value{}, err
	}
	text := d.s.buf[start:d.s.pos]
	if i, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return Integer(i), nil
	}
	if u, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return Unsigned(u), nil
	}
	f, ok := n.float64(text)
	if !ok {
		return Value{}, invalid("parameter %s%s", quoted(name), outOfRange(text, FP64))
	}
	return Float(f), nil
}

// parameters reads the parameters object of a whole message and appends its entries to dst.
func (d *decoder) parameters(dst Parameters) (Parameters, error) {
	if none, err := d.absent(); none || err != nil {
		return dst, err
	}
	err := d.object(`"parameters"`, func(key []byte) (err error) {
		dst, err = d.parameter(dst, key)
		return err
	})
	return dst, err
}

// parameter reads the value of the parameter called key and appends it to dst.
func (d *decoder) parameter(dst Parameters, key []byte) (Parameters, error) {
	if len(key) > d.lim.NameBytes {
		return dst, invalid("a parameter's name has %d bytes, at most %d are accepted", len(key), d.lim.NameBytes)
	}
	p := Parameter{Name: d.names.of(key)}
	if _, twice := dst.Lookup(p.Name); twice {
		return dst, invalid("parameter %s comes twice", quoted(p.Name))
	}
	if len(dst) == d.lim.Parameters {
		return dst, invalid("\"parameters\" has more than the %d entries accepted", d.lim.Parameters)
	}
	if none, err := d.absent(); none || err != nil {
		return dst, err
	}
	if c := d.s.peek(); d.role == outputRole && (c == '{' || c == '[') {
		return dst, d.s.skip() // some servers answer with more than the protocol has
	}
	var err error
	if p.Value, err = d.value(p.Name); err != nil {
		return dst, err
	}
	return append(dst, p), nil
}
