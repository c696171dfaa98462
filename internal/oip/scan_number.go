package oip

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
)

// decimal is a JSON number, taken apart: mantissa × 10^exponent. It is small enough to be returned in registers.
type decimal struct {
	mantissa uint64 // all its digits; of no use when long
	exponent int    // of ten
	negative bool
	long     bool // more than maxDigits significant digits
}

// maxDigits is how many decimal digits always fit 64 bits.
const maxDigits = 19

// exponentCap is where exponents stop being counted: far beyond what any float can hold, far below what overflows when
// the length of a fraction is taken from it. Numbers that reach it are judged by strconv from their text.
const exponentCap = 1 << 30

// number takes a number. The caller has seen a '-' or a digit. The mantissa wraps round silently while digits are
// gathered; long tells whether it did.
func (s *scanner) number() (d decimal, err error) {
	b, i := s.buf, s.pos
	if b[i] == '-' {
		d.negative = true
		i++
	}
	first := i
	for ; i < len(b) && isDigit(b[i]); i++ {
		d.mantissa = d.mantissa*10 + uint64(b[i]-'0')
	}
	if i != first+1 && (i == first || b[first] == '0') {
		s.pos = i
		return d, s.badInteger(first)
	}
	if i < len(b) && b[i] == '.' {
		point := i + 1
		d.mantissa, i = fraction(b, point, d.mantissa)
		if d.exponent = point - i; d.exponent == 0 {
			s.pos = i
			return d, s.unexpected("a digit after the decimal point")
		}
	}
	s.pos = i
	if i-first > maxDigits {
		d.long = significant(b[first:i]) > maxDigits
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		exponent, err := s.exponent()
		d.exponent += exponent
		return d, err
	}
	return d, nil
}

// badInteger is the error for a number whose digits before the point, from first up to here, are none or start with zero.
func (s *scanner) badInteger(first int) error {
	if s.pos == first {
		return s.unexpected("a digit")
	}
	s.pos = first
	return s.fail("number has a leading zero")
}

// fraction appends the digits that b has from i on to the number so far and returns where they end.
//
// It takes up to eight at once. How many digits a fraction has differs from one to the next, so that a loop over them
// would be mispredicted nearly every time; here those that are none are shifted out and count as zeros in front.
func fraction(b []byte, i int, so uint64) (mantissa uint64, end int) {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		count := leadingDigits(x)
		if count == 0 {
			return so, i
		}
		so = so*tens[count&15] + eightDigitValue(x<<((64-8*count)&63)) // the masks spare checks
		i += int(count)
		if count < 8 {
			return so, i
		}
	}
	for ; i < len(b) && isDigit(b[i]); i++ {
		so = so*10 + uint64(b[i]-'0')
	}
	return so, i
}

// leadingDigits returns how many of the bytes of x, the first being the lowest, are ASCII digits before one is not. After
// the exclusive or a digit is at most 9, and only bytes beyond that reach the high bit when 0x76 is added. (A carry can
// only come out of a byte that is none, and disturb those behind it.)
func leadingDigits(x uint64) uint {
	x ^= '0' * eachByte
	return uint(bits.TrailingZeros64((x|(x+0x76*eachByte))&highBits)) / 8
}

// eightDigitValue returns the number that eight ASCII digits spell, the first in the lowest byte; a zero byte is as good as
// the digit. Each step joins neighbours into numbers of twice the digits.
func eightDigitValue(x uint64) uint64 {
	x &= 0x0f * eachByte
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	return (x*10000 + x>>32) & 0xffffffff
}

// significant counts the digits of a number from the first that is not zero.
func significant(text []byte) int {
	count := 0
	for _, c := range text {
		if c != '.' && (c != '0' || count > 0) {
			count++
		}
	}
	return count
}

// exponent takes the 'e' and the exponent behind it.
func (s *scanner) exponent() (int, error) {
	s.pos++
	negative := false
	if s.pos < len(s.buf) && (s.buf[s.pos] == '-' || s.buf[s.pos] == '+') {
		negative = s.buf[s.pos] == '-'
		s.pos++
	}
	first, value := s.pos, 0
	for ; s.pos < len(s.buf) && isDigit(s.buf[s.pos]); s.pos++ {
		value = min(value*10+int(s.buf[s.pos]-'0'), exponentCap)
	}
	if s.pos == first {
		return 0, s.unexpected("a digit of an exponent")
	}
	if negative {
		value = -value
	}
	return value, nil
}

// integer takes a number that has to be whole, as sign and magnitude. fault says what it is instead; d names the datatype
// that wanted it.
func (s *scanner) integer(d Datatype) (magnitude uint64, negative bool, fault string) {
	b, i := s.buf, s.pos
	if b[i] == '-' {
		negative = true
		i++
	}
	first := i
	for ; i < len(b) && isDigit(b[i]); i++ {
		magnitude = magnitude*10 + uint64(b[i]-'0')
	}
	if i-first > maxDigits || i < len(b) && (b[i] == '.' || b[i]|0x20 == 'e') {
		return s.oddInteger(d)
	}
	s.pos = i
	if i != first+1 && (i == first || b[first] == '0') {
		return 0, false, ": " + s.badInteger(first).Error()
	}
	return magnitude, negative, ""
}

// oddInteger is integer for numbers that are not whole or longer than maxDigits: UINT64 goes on to twenty.
func (s *scanner) oddInteger(d Datatype) (magnitude uint64, negative bool, fault string) {
	start := s.pos
	n, err := s.number()
	if err != nil {
		return 0, false, ": " + err.Error()
	}
	text := s.buf[start:s.pos]
	magnitude, err = strconv.ParseUint(string(bytes.TrimPrefix(text, minusSign)), 10, 64)
	if err != nil {
		return 0, false, outOfRange(text, d)
	}
	return magnitude, n.negative, ""
}

var minusSign = []byte("-")
