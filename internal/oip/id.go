package oip

import (
	"encoding/binary"
	"math/bits"
)

// CutID finds the top-level "id" member of a JSON object, so that a cache can key and store messages without it. id is
// the raw JSON string with its quotes, checked, nil when there is none; json[start:end] is what to leave out to be rid of
// the member, its comma included. What is left is an object again.
//
// ok is false where the message must not be cached: it is no object, has several ids, one that is no string, or a member
// name with escapes, which might spell id. Of the rest only nesting and strings are looked at: whoever answers the
// message has to read it properly. It does not allocate.
func CutID(json []byte) (id []byte, start, end int, ok bool) {
	c := cutter{buf: json}
	if !c.take('{') {
		return nil, 0, 0, false
	}
	if c.take('}') {
		return nil, 0, 0, c.atEnd()
	}
	for first := true; ; first = false {
		comma := c.pos - 1 // the one in front of this member, or the bracket
		c.space()
		member := c.pos
		key, plain := c.str()
		if !plain || !c.take(':') {
			return nil, 0, 0, false
		}
		c.space()
		value := c.pos
		if !c.value() {
			return nil, 0, 0, false
		}
		text := json[value:c.pos]
		last := !c.take(',')
		if string(key) == `"id"` {
			if id != nil || !validIDString(text) {
				return nil, 0, 0, false
			}
			id = text
			start, end = cutSpan(first, last, comma, member, value+len(text), c.pos)
		}
		if last {
			return id, start, end, c.take('}') && c.atEnd()
		}
	}
}

// cutSpan says what to leave out with a member: the comma behind it, if there is one; else, it being the last, the one in
// front; else it stands alone.
func cutSpan(first, last bool, comma, member, memberEnd, afterComma int) (start, end int) {
	switch {
	case !last:
		return member, afterComma
	case !first:
		return comma, memberEnd
	default:
		return member, memberEnd
	}
}

// validIDString reports whether raw is a string in every respect: unlike the rest of the message it is going to be put
// into answers.
func validIDString(raw []byte) bool {
	if raw[0] != '"' {
		return false
	}
	s := scanner{buf: raw}
	inside, escaped, err := s.rawString()
	return err == nil && s.pos == len(raw) && (!escaped || escapesValid(inside))
}

// cutter walks JSON without reading it: it only tells where values end.
type cutter struct {
	buf []byte
	pos int
}

func (c *cutter) space() {
	for c.pos < len(c.buf) {
		switch c.buf[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

// take takes one byte of punctuation and the white space in front of it, if it comes next.
func (c *cutter) take(b byte) bool {
	c.space()
	if c.pos == len(c.buf) || c.buf[c.pos] != b {
		return false
	}
	c.pos++
	return true
}

// atEnd reports whether nothing but white space is left.
func (c *cutter) atEnd() bool {
	c.space()
	return c.pos == len(c.buf)
}

// str takes a string with its quotes; plain is false when there is none or when it has escapes.
func (c *cutter) str() (text []byte, plain bool) {
	if c.pos == len(c.buf) || c.buf[c.pos] != '"' {
		return nil, false
	}
	start := c.pos
	plain = true
	for i := start + 1; i < len(c.buf); i++ {
		i += plainASCII(c.buf[i:])
		if i >= len(c.buf) {
			break
		}
		switch c.buf[i] {
		case '"':
			c.pos = i + 1
			return c.buf[start:c.pos], plain
		case '\\':
			plain = false
			i++
		}
	}
	c.pos = len(c.buf)
	return nil, false
}

// value takes one value.
func (c *cutter) value() bool {
	if c.pos == len(c.buf) {
		return false
	}
	switch c.buf[c.pos] {
	case '"':
		text, _ := c.str()
		return text != nil
	case '{', '[':
		return c.nested()
	}
	start := c.pos
	for c.pos < len(c.buf) && scalarByte(c.buf[c.pos]) {
		c.pos++
	}
	return c.pos > start
}

// scalarByte reports whether numbers and the words true, false and null have the byte.
func scalarByte(b byte) bool {
	return b|0x20 >= 'a' && b|0x20 <= 'z' || isDigit(b) || b == '-' || b == '+' || b == '.'
}

// nested takes an array or an object whose brackets match, no deeper than the scanner would follow.
func (c *cutter) nested() bool {
	var braces uint64 // one bit a level, the innermost lowest: 1 for '{', 0 for '['
	for depth := 0; ; {
		c.pos += nextStructural(c.buf[c.pos:])
		if c.pos == len(c.buf) {
			return false
		}
		switch b := c.buf[c.pos]; b {
		case '"':
			if text, _ := c.str(); text == nil {
				return false
			}
			continue
		case '{', '[':
			if depth++; depth > maxDepth {
				return false
			}
			braces <<= 1
			if b == '{' {
				braces |= 1
			}
		case '}', ']':
			if (b == '}') != (braces&1 != 0) {
				return false
			}
			braces >>= 1
			depth--
		}
		c.pos++
		if depth == 0 {
			return true
		}
	}
}

// nextStructural returns the index of the first quote or bracket in b, or its length. Between two of them lie thousands
// of digits in the bodies this is for, so it takes eight bytes at once: setting the bits in which the four brackets
// differ makes them all 0x7f, along with a few letters that are then looked at in vain. (As in plainASCII only the lowest
// bit found is certain.)
func nextStructural(b []byte) int {
	const bracketBits = ('[' ^ ']') | ('[' ^ '{')
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote := x ^ '"'*eachByte
		bracket := (x | bracketBits*eachByte) ^ ('['|bracketBits)*eachByte
		found := ((quote - eachByte) &^ quote) | ((bracket - eachByte) &^ bracket)
		if found &= highBits; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case '"', '{', '}', '[', ']':
			return i
		}
	}
	return i
}
