package oip

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// decimal is a JSON number, taken apart: mantissa × 10^exponent.
type decimal struct {
	text     []byte // as it stands in the input
	mantissa uint64 // all its digits; of no use when long
	exponent int    // of ten
	negative bool
	whole    bool // neither fraction nor exponent
	long     bool // more than maxDigits significant digits
}

// maxDigits is how many decimal digits always fit 64 bits.
const maxDigits = 19

// exponentCap is where exponents stop being counted: far beyond what any float can hold, far below what overflows when
// the length of a fraction is taken from it. Numbers that reach it are judged by strconv from their text.
const exponentCap = 1 << 30

// number takes a number. The caller has seen a '-' or a digit. The mantissa wraps round silently while digits are
// gathered; long tells whether it did.
func (s *scanner) number() (decimal, error) {
	d := decimal{whole: true}
	start := s.pos
	if s.buf[s.pos] == '-' {
		d.negative = true
		s.pos++
	}
	first := s.pos
	d.mantissa = s.digits(0)
	switch count := s.pos - first; {
	case count == 0:
		return d, s.unexpected("a digit")
	case count > 1 && s.buf[first] == '0':
		s.pos = first
		return d, s.fail("number has a leading zero")
	}
	if s.pos < len(s.buf) && s.buf[s.pos] == '.' {
		d.whole = false
		s.pos++
		point := s.pos
		d.mantissa = s.digits(d.mantissa)
		if d.exponent = point - s.pos; d.exponent == 0 {
			return d, s.unexpected("a digit after the decimal point")
		}
	}
	if s.pos-first > maxDigits {
		d.long = significant(s.buf[first:s.pos]) > maxDigits
	}
	if s.pos < len(s.buf) && s.buf[s.pos]|0x20 == 'e' {
		d.whole = false
		exponent, err := s.exponent()
		if err != nil {
			return d, err
		}
		d.exponent += exponent
	}
	d.text = s.buf[start:s.pos]
	return d, nil
}

// digits takes digits and appends them to the decimal number so far.
func (s *scanner) digits(so uint64) uint64 {
	b, i := s.buf, s.pos
	for i+8 <= len(b) {
		// Most tensors hold eight digits or so behind the point: taking those at once halves the time a number costs.
		x := binary.LittleEndian.Uint64(b[i:])
		if !eightDigits(x) {
			break
		}
		so = so*1e8 + eightDigitValue(x)
		i += 8
	}
	for ; i < len(b) && isDigit(b[i]); i++ {
		so = so*10 + uint64(b[i]-'0')
	}
	s.pos = i
	return so
}

// eightDigits reports whether all bytes of x are ASCII digits: none carries past '9' when 6 is added, and the upper half
// of each is 3 before and after.
func eightDigits(x uint64) bool {
	return (x&(0xf0*eachByte))|((x+6*eachByte)&(0xf0*eachByte))>>4 == 0x33*eachByte
}

// eightDigitValue returns the number that eight ASCII digits spell, the first in the lowest byte. Each step joins
// neighbours into numbers of twice the digits.
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
	n, err := s.number()
	if err != nil {
		return 0, false, ": " + err.Error()
	}
	if !n.whole {
		return 0, false, outOfRange(n.text, d)
	}
	if n.long { // UINT64 goes on to twenty digits
		digits := bytes.TrimPrefix(n.text, minusSign)
		if n.mantissa, err = strconv.ParseUint(string(digits), 10, 64); err != nil {
			return 0, false, outOfRange(n.text, d)
		}
	}
	return n.mantissa, n.negative, ""
}

var minusSign = []byte("-")
