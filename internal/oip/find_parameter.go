package oip

import (
	"bytes"
	"strconv"
)

// An edge has to know some of a request's parameters without reading the request: how long its client waits ("timeout"), how
// urgent it is ("priority"). What stands here finds one by its name, allocates nothing, and costs a search for that name
// where it does not occur. Whoever answers the request reads it properly: what is malformed is for them to refuse, and is
// not found here; so is a name that is spelled with escapes, which no encoder does.

// FindWhole finds a parameter of an inference request in JSON that is a whole number from 0: "timeout" or "priority". The
// error is the one with which a node refuses another value, and for the client.
func FindWhole(json []byte, name string) (n uint64, found bool, err error) {
	text, ok := findParameter(json, name)
	if !ok {
		return 0, false, nil
	}
	return wholeOf(text, name)
}

// findParameter is the text of a parameter's value.
func findParameter(json []byte, name string) (text []byte, ok bool) {
	var room [64]byte
	quotedName := append(append(append(room[:0], '"'), name...), '"')
	if !bytes.Contains(json, quotedName) {
		return nil, false
	}
	c := cutter{buf: json}
	if !c.find([]byte(`"parameters"`)) || !c.find(quotedName) {
		return nil, false
	}
	start := c.pos
	if !c.value() {
		return nil, false
	}
	return c.buf[start:c.pos], true
}

// find enters the object that comes next and goes to the value of one of its members; false = there is none.
func (c *cutter) find(quotedKey []byte) bool {
	if !c.take('{') {
		return false
	}
	for {
		c.space()
		key, _ := c.str()
		if key == nil || !c.take(':') {
			return false
		}
		c.space()
		if bytes.Equal(key, quotedKey) {
			return true
		}
		if !c.value() || !c.take(',') {
			return false
		}
	}
}

// wholeOf reads a parameter's value.
func wholeOf(text []byte, name string) (n uint64, found bool, err error) {
	if string(text) == "null" {
		return 0, false, nil
	}
	if n, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return n, true, nil
	}
	if i, err := strconv.ParseInt(string(text), 10, 64); err == nil && i == 0 { // "-0"
		return 0, true, nil
	}
	return 0, false, notWhole(name, shortened(text))
}

func notWhole(name, value string) error {
	return invalid("parameter %q is %s, expected a whole number from 0", name, value)
}

// FindProtoWhole is FindWhole for a ModelInferRequest. It does not touch tensors.
func FindProtoWhole(msg []byte, name string) (n uint64, found bool, err error) {
	value, ok := findProtoParameter(msg, name)
	if !ok {
		return 0, false, nil
	}
	return protoWhole(value, name)
}

func findProtoParameter(msg []byte, name string) (value protoReader, ok bool) {
	p := protoReader{buf: msg}
	for p.more() {
		field, err := p.next()
		if err != nil {
			return value, false
		}
		if field != protoParameters {
			if p.skip() != nil {
				return value, false
			}
			continue
		}
		entry, err := p.message("parameters")
		if err != nil {
			return value, false
		}
		if value, ok = entry.valueOf(name); ok {
			return value, true
		}
	}
	return value, false
}

// valueOf is the value of an entry of a map, if its key is name.
func (p *protoReader) valueOf(name string) (value protoReader, ok bool) {
	for p.more() {
		field, err := p.next()
		if err != nil {
			return value, false
		}
		switch field {
		case protoMapKey:
			var key []byte
			key, err = p.bytes("a parameter's name")
			ok = string(key) == name
		case protoMapValue:
			value, err = p.message("a parameter")
		default:
			err = p.skip()
		}
		if err != nil {
			return value, false
		}
	}
	return value, ok
}

func protoWhole(value protoReader, name string) (n uint64, found bool, err error) {
	d := protoDecoder{decoder: decoder{lim: DefaultLimits()}}
	v, err := d.valueIn(&value)
	if err != nil || v.kind == NoValue {
		return 0, false, nil //nolint:nilerror // for the node to refuse
	}
	n, ok := v.Uint()
	if !ok {
		return 0, false, notWhole(name, v.String())
	}
	return n, true, nil
}
