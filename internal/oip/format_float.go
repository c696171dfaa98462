package oip

import (
	"math"
	"math/bits"
	"strconv"
)

// Floats are written as the shortest decimal that reads back as the same float, in the form encoding/json gives them:
// plain from 1e-6 up to 1e21, with an exponent outside. FP32 has a printer of its own, because the shortest search of
// strconv is most of what answering a large JSON request costs; FP64 is strconv's.

// Where the decimal point may stand, counted from the first digit, in a number without an exponent: 0.000001 has it at
// -5, 999999999999999999999 at 21.
const (
	plainFrom = -6 // not included
	plainTo   = 21
)

// appendFP32 appends a finite float32.
func appendFP32(dst []byte, f float32) []byte {
	b := math.Float32bits(f)
	if b>>31 != 0 {
		dst = append(dst, '-')
		b &^= 1 << 31
	}
	if b == 0 {
		return append(dst, '0')
	}
	digits, exponent := shortest32(b)
	return appendDecimal(dst, digits, exponent)
}

// appendFP64 appends a finite float64.
func appendFP64(dst []byte, f float64) []byte {
	magnitude := math.Abs(f)
	if magnitude == 0 || magnitude >= 1e-6 && magnitude < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' { // e-07 becomes e-7
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// shortest32 returns the shortest decimal digits × 10^exponent that rounds to the positive float32 with the given bits,
// and of those the nearest to it. This is Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles", 2020)
// in the size of float32: the float, and the two ends of the interval that rounds to it, are scaled by one power of ten
// from a table to where the interval holds at least one integer and at most one multiple of ten; four candidates remain.
func shortest32(b uint32) (digits uint32, exponent int) {
	const fractionBits, bias = 23, 150
	fraction, biased := b&(1<<fractionBits-1), int(b>>fractionBits)
	c, q := fraction|1<<fractionBits, biased-bias // the float is c × 2^q
	if biased == 0 {
		c, q = fraction, 1-bias
	}
	if q <= 0 && q > -fractionBits-1 && c&(1<<-q-1) == 0 {
		return trimZeros(c >> -q) // an integer: labels, counts and pixels are
	}
	lowerGap := uint32(2) // half the distance to the neighbour below, in quarters of the last place
	k := floorLog10Pow2(q)
	if fraction == 0 && biased > 1 { // the neighbour below is in the next binade, half as far
		lowerGap = 1
		k = floorLog10ThreeQuartersPow2(q)
	}
	h := q + floorLog2Pow10(-k) + 1
	g := powersOfTen[-k-leastPower]
	lower := roundToOdd(g, (4*c-lowerGap)<<h)
	value := roundToOdd(g, 4*c<<h)
	upper := roundToOdd(g, (4*c+2)<<h)
	if c&1 != 0 { // the ends round to the even neighbours, not to us
		lower++
		upper--
	}
	return choose(lower, value, upper, k)
}

// choose picks among the integers and multiples of ten around value/4 that lie between lower/4 and upper/4.
func choose(lower, value, upper uint32, k int) (digits uint32, exponent int) {
	s := value / 4
	if s >= 10 {
		tens := s / 10
		below, above := lower <= 40*tens, 40*tens+40 <= upper
		if below != above {
			if above {
				tens++
			}
			digits, exponent = trimZeros(tens)
			return digits, exponent + k + 1
		}
	}
	below, above := lower <= 4*s, 4*s+4 <= upper
	middle := 4*s + 2
	switch {
	case below != above:
		if above {
			s++
		}
	case value > middle || value == middle && s&1 != 0:
		s++
	}
	digits, exponent = trimZeros(s)
	return digits, exponent + k
}

// roundToOdd returns g × c / 2^64, its last bit set if anything was cut off that matters to a comparison.
func roundToOdd(g uint64, c uint32) uint32 {
	high, low := bits.Mul64(g, uint64(c))
	result := uint32(high)
	if low>>32 > 1 {
		result |= 1
	}
	return result
}

// Logarithms by multiplication, exact for the exponents of float32 and far beyond.
func floorLog10Pow2(e int) int              { return e * 1262611 >> 22 }
func floorLog10ThreeQuartersPow2(e int) int { return (e*1262611 - 524031) >> 22 }
func floorLog2Pow10(e int) int              { return e * 1741647 >> 19 }

// trimZeros moves the zeros at the end of an integer into an exponent.
func trimZeros(n uint32) (digits uint32, exponent int) {
	for n%10 == 0 {
		n /= 10
		exponent++
	}
	return n, exponent
}

// appendDecimal appends digits × 10^exponent, digits having no zeros at their end.
func appendDecimal(dst []byte, digits uint32, exponent int) []byte {
	var buf [10]byte
	text := strconv.AppendUint(buf[:0], uint64(digits), 10)
	point := len(text) + exponent // where the decimal point stands, counted from the first digit
	switch {
	case point > plainTo || point <= plainFrom:
		return appendScientific(dst, text, point-1)
	case point <= 0:
		dst = append(dst, "0.000000"[:2-point]...)
		return append(dst, text...)
	case point < len(text):
		dst = append(dst, text[:point]...)
		dst = append(dst, '.')
		return append(dst, text[point:]...)
	default:
		dst = append(dst, text...)
		return append(dst, "00000000000000000000"[:point-len(text)]...)
	}
}

// appendScientific appends the digits with the point behind the first and an exponent.
func appendScientific(dst, text []byte, exponent int) []byte {
	dst = append(dst, text[0])
	if len(text) > 1 {
		dst = append(dst, '.')
		dst = append(dst, text[1:]...)
	}
	dst = append(dst, 'e')
	if exponent > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(exponent), 10)
}
