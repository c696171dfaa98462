package oip

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// str takes a string and returns what it spells. The bytes alias the input, or the scanner's own memory when the string
// has escapes.
func (s *scanner) str() ([]byte, error) {
	raw, escaped, err := s.rawString()
	if err != nil || !escaped {
		return raw, err
	}
	s.text, err = s.unescape(s.text[:0], raw)
	return s.text, err
}

// appendString takes a string and appends what it spells to dst.
func (s *scanner) appendString(dst []byte) ([]byte, error) {
	raw, escaped, err := s.rawString()
	if err != nil {
		return dst, err
	}
	if !escaped {
		return append(dst, raw...), nil
	}
	return s.unescape(dst, raw)
}

// rawString takes a string and returns what stands between its quotes. It refuses control characters and bytes that are
// not UTF-8; whether the escapes are good shows when they are spelled out.
func (s *scanner) rawString() (raw []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.unexpected("a string")
	}
	start := s.pos + 1
	ascii := true
	for i := start; ; {
		i += plainASCII(s.buf[i:])
		if i >= len(s.buf) {
			s.pos = len(s.buf)
			return nil, false, s.fail("input ends inside a string")
		}
		switch c := s.buf[i]; {
		case c == '"':
			s.pos = i + 1
			raw = s.buf[start:i:i]
			if !ascii && !utf8.Valid(raw) {
				s.pos = start
				return nil, false, s.fail("string is not valid UTF-8")
			}
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			i = min(i+2, len(s.buf))
		case c < ' ':
			s.pos = i
			return nil, false, s.fail("control character 0x%02x in a string must be escaped", c)
		default:
			ascii = false
			i += nonASCII(s.buf[i:])
		}
	}
}

// unescape appends to dst what raw, the inside of a string the scanner just took, spells.
func (s *scanner) unescape(dst, raw []byte) ([]byte, error) {
	for {
		plain := indexBackslash(raw)
		dst = append(dst, raw[:plain]...)
		raw = raw[plain:]
		if len(raw) == 0 {
			return dst, nil
		}
		r, size := cutEscape(raw)
		if size == 0 {
			return dst, s.fail("string has a bad escape at %s", quoted(raw[:min(len(raw), len(`\ud800\ud800`))]))
		}
		dst = utf8.AppendRune(dst, r)
		raw = raw[size:]
	}
}

// escapesValid reports whether every escape inside a string is good, without spelling it out.
func escapesValid(raw []byte) bool {
	for {
		raw = raw[indexBackslash(raw):]
		if len(raw) == 0 {
			return true
		}
		_, size := cutEscape(raw)
		if size == 0 {
			return false
		}
		raw = raw[size:]
	}
}

func indexBackslash(b []byte) int {
	for i, c := range b {
		if c == '\\' {
			return i
		}
	}
	return len(b)
}

// cutEscape reads the escape that b starts with and returns its character and length. The length is 0 for one that JSON
// does not have and for half a surrogate pair, which no UTF-8 can hold.
func cutEscape(b []byte) (r rune, size int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		return cutUnicodeEscape(b)
	}
	return 0, 0
}

// cutUnicodeEscape reads \uXXXX, or two of them that form a surrogate pair.
func cutUnicodeEscape(b []byte) (r rune, size int) {
	const one, pair = len(`\uXXXX`), len(`\uXXXX\uXXXX`)
	r, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, one
	}
	if len(b) < pair || b[one] != '\\' || b[one+1] != 'u' {
		return 0, 0
	}
	low, ok := hex4(b[one:])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, pair
}

// hex4 reads the four hexadecimal digits of the \u escape that b starts with.
func hex4(b []byte) (r rune, ok bool) {
	const first, after = 2, 6
	if len(b) < after {
		return 0, false
	}
	for _, c := range b[first:after] {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

func hexDigit(c byte) (value byte, ok bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	default:
		return 0, false
	}
}

// nonASCII returns how many bytes at the front of b are not ASCII.
func nonASCII(b []byte) int {
	for i, c := range b {
		if c < utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}

// Eight bytes at a time: one bit or one byte repeated.
const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// plainASCII returns how many bytes at the front of b stand for themselves in a JSON string: ASCII, no control
// character, no quote, no backslash.
//
// It looks at eight bytes at once. Subtracting sets the high bit of a byte that is below what is subtracted (a control
// character, or zero after the exclusive or) and may borrow from the bytes above it, so only the lowest bit found is
// certain, and only that one is used.
func plainASCII(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		special := (x - ' '*eachByte) | (x ^ '"'*eachByte - eachByte) | (x ^ '\\'*eachByte - eachByte) | x
		if special &= highBits; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}
