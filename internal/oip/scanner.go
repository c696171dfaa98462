package oip

import "fmt"

// scanner reads JSON front to back, exactly as RFC 8259 has it and no deeper than maxDepth. It is the only reader of JSON
// in this package: no reflection, no tree, no allocation but for strings with escapes.
//
// Values are read by asking for what is wanted (str, number, open…); skip reads any value and checks it just as strictly.
// After an error the position is of no use.
type scanner struct {
	buf   []byte
	pos   int
	depth int
	text  []byte // where a string with escapes is spelled out; valid until the next such string
}

// reset starts over on buf and keeps the memory for strings.
func (s *scanner) reset(buf []byte) {
	s.buf, s.pos, s.depth = buf, 0, 0
}

// peek skips white space and returns the byte after it without taking it. At the end of the input it returns 0, which no
// JSON value starts with.
func (s *scanner) peek() byte {
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.pos++
	}
	return 0
}

// fail returns a syntax error at the current position.
func (s *scanner) fail(format string, args ...any) error {
	return invalid("invalid JSON at byte %d: %s", s.pos, fmt.Sprintf(format, args...))
}

// unexpected returns the syntax error for finding something other than want.
func (s *scanner) unexpected(want string) error {
	if s.peek() == 0 && s.pos >= len(s.buf) {
		return s.fail("input ends, expected %s", want)
	}
	return s.fail("found %s, expected %s", byteText(s.buf[s.pos]), want)
}

// byteText renders one byte of input for a message.
func byteText(c byte) string {
	if c > ' ' && c < 0x7f {
		return fmt.Sprintf("'%c'", c)
	}
	return fmt.Sprintf("byte 0x%02x", c)
}

// mistyped returns the error for a value of the wrong kind; what names the member.
func (s *scanner) mistyped(what, want string) error {
	kind := valueKind(s.peek())
	if kind == "" {
		return s.unexpected("a value for " + what)
	}
	return invalid("%s is %s, expected %s", what, kind, want)
}

// valueKind names the kind of JSON value that starts with c, "" if none does.
func valueKind(c byte) string {
	switch {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-' || isDigit(c):
		return "a number"
	default:
		return ""
	}
}

// end checks that nothing but white space is left.
func (s *scanner) end() error {
	if s.peek(); s.pos < len(s.buf) {
		return s.unexpected("the end of the input")
	}
	return nil
}

// open takes the bracket that starts an array ('[') or an object ('{').
func (s *scanner) open(bracket byte) error {
	if s.peek() != bracket {
		return s.unexpected(byteText(bracket))
	}
	if s.depth == maxDepth {
		return s.fail("nested deeper than %d", maxDepth)
	}
	s.depth++
	s.pos++
	return nil
}

// member moves to the next member of an open object and takes its name and colon; more is false when the object closed
// instead. first is true for the first call after open. The key is valid until the next string with escapes is read.
func (s *scanner) member(first bool) (key []byte, more bool, err error) {
	c := s.peek()
	if c == '}' {
		s.pos++
		s.depth--
		return nil, false, nil
	}
	if !first {
		if c != ',' {
			return nil, false, s.unexpected("',' or '}'")
		}
		s.pos++
		c = s.peek()
	}
	if c != '"' {
		return nil, false, s.unexpected("a member name")
	}
	if key, err = s.str(); err != nil {
		return nil, false, err
	}
	if s.peek() != ':' {
		return nil, false, s.unexpected("':'")
	}
	s.pos++
	return key, true, nil
}

// element moves to the next element of an open array; more is false when the array closed instead. first is true for the
// first call after open.
func (s *scanner) element(first bool) (more bool, err error) {
	c := s.peek()
	if c == ']' {
		s.pos++
		s.depth--
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, s.unexpected("',' or ']'")
	}
	s.pos++
	if s.peek() == ']' {
		return false, s.unexpected("a value")
	}
	return true, nil
}

// literal takes one of the words true, false and null.
func (s *scanner) literal(word string) error {
	if rest := s.buf[s.pos:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return s.unexpected("a value")
	}
	s.pos += len(word)
	return nil
}

// null takes the word null if it comes next.
func (s *scanner) null() (bool, error) {
	if s.peek() != 'n' {
		return false, nil
	}
	return true, s.literal("null")
}

// boolean takes true or false. The caller has seen a 't' or 'f'.
func (s *scanner) boolean() (bool, error) {
	if s.peek() == 't' {
		return true, s.literal("true")
	}
	return false, s.literal("false")
}

// skip reads one value of any kind and checks it.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '{':
		return s.skipObject()
	case '[':
		return s.skipArray()
	case '"':
		_, err := s.str()
		return err
	case 't', 'f':
		_, err := s.boolean()
		return err
	case 'n':
		return s.literal("null")
	default:
		if c != '-' && !isDigit(c) {
			return s.unexpected("a value")
		}
		_, err := s.number()
		return err
	}
}

func (s *scanner) skipObject() error {
	if err := s.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		_, more, err := s.member(first)
		if err != nil || !more {
			return err
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

func (s *scanner) skipArray() error {
	if err := s.open('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.element(first)
		if err != nil || !more {
			return err
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

func isDigit(c byte) bool { return c-'0' <= 9 }
