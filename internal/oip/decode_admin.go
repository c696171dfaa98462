package oip

import "strconv"

// What is here serves messages that are rare and deep: they may allocate, in proportion to what came. A member that is
// null counts as absent, as everywhere.

// newAdminDecoder returns a decoder for one such message.
func newAdminDecoder(body []byte) decoder {
	return newDecoder(new(memory), body, DefaultLimits(), inputRole)
}

// members reads an object and calls member with the name of each of its members, before the value is read. One that comes
// twice is refused.
func (d *decoder) members(what string, member func(name string) error) error {
	seen := map[string]struct{}{}
	return d.object(what, func(key []byte) error {
		name := string(key)
		if _, twice := seen[name]; twice {
			return invalid("member %s comes twice", quoted(name))
		}
		seen[name] = struct{}{}
		if none, err := d.absent(); none || err != nil {
			return err
		}
		return member(name)
	})
}

// textInto reads a string of any length.
func (d *decoder) textInto(to *string, what string) error {
	if d.s.peek() != '"' {
		return d.s.mistyped(strconv.Quote(what), "a string")
	}
	b, err := d.s.str()
	*to = string(b)
	return err
}

// flagInto reads a boolean.
func (d *decoder) flagInto(to *bool, what string) (err error) {
	*to, err = d.flag(strconv.Quote(what))
	return err
}

// numberInto reads a whole number, which protobuf's JSON may spell as a string.
func numberInto[T int32 | int64 | uint32 | uint64](d *decoder, to *T, what string) error {
	text, err := d.numeral(what)
	if err != nil {
		return err
	}
	if ^T(0) < 0 { // T has a sign
		v, err := strconv.ParseInt(text, 10, 64)
		if *to = T(v); err != nil || int64(*to) != v {
			return invalid("%q is %s, which is no whole number or too large", what, shortened(text))
		}
		return nil
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if *to = T(v); err != nil || uint64(*to) != v {
		return invalid("%q is %s, which is no whole number from 0 or too large", what, shortened(text))
	}
	return nil
}

// numeral reads the text of a number, quoted or not.
func (d *decoder) numeral(what string) (string, error) {
	if d.s.peek() == '"' {
		b, err := d.s.str()
		return string(b), err
	}
	if !d.s.onNumber() {
		return "", d.s.mistyped(strconv.Quote(what), "a whole number")
	}
	start := d.s.pos
	_, err := d.s.number()
	return string(d.s.buf[start:d.s.pos]), err
}

// listInto reads an array, each element with read.
func listInto[T any](d *decoder, to *[]T, what string, read func(*T) error) error {
	*to = []T{}
	return d.list(strconv.Quote(what), func(int) error {
		var v T
		err := read(&v)
		*to = append(*to, v)
		return err
	})
}

// numbersInto reads an array of whole numbers.
func numbersInto[T int32 | int64 | uint32 | uint64](d *decoder, to *[]T, what string) error {
	return listInto(d, to, what, func(v *T) error { return numberInto(d, v, what) })
}

// mapInto reads an object, each of its values with read.
func mapInto[T any](d *decoder, to *map[string]T, what string, read func(*T) error) error {
	*to = map[string]T{}
	return d.members(strconv.Quote(what), func(name string) error {
		var v T
		err := read(&v)
		(*to)[name] = v
		return err
	})
}
