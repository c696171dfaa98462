package oip

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// Floats are written as the shortest decimal that reads back as the same float, in the form encoding/json gives them:
// plain from 1e-6 up to 1e21, with an exponent outside. Only the zero below zero is -0.0 here: Python takes -0 for an
// integer, which has none. FP32 has a printer of its own, because strconv's search for the shortest decimal is most of
// what answering a large JSON request costs; FP64 is strconv's.

// Where the decimal point may stand, counted from the first digit, in a number without an exponent: 0.000001 has it at
// -5, 999999999999999999999 at 21.
const (
	plainFrom = -6 // not included
	plainTo   = 21
)

const minusZero = "-0.0"

// longestFP32 is more than any float32 takes: a sign, 21 digits or 10 characters around 9 digits, and what the stores of
// eight bytes below may write beyond.
const longestFP32 = 32

// appendFP64 appends a finite float64.
func appendFP64(dst []byte, f float64) []byte {
	magnitude := math.Abs(f)
	switch {
	case f == 0 && math.Signbit(f):
		return append(dst, minusZero...)
	case f == 0 || magnitude >= 1e-6 && magnitude < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' { // e-07 becomes e-7
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// shortest32 returns the shortest decimal, digits × 10^exponent, that rounds to the positive float32 with the given bits,
// and of those the nearest to it. There are at most nine digits, with or without zeros at their end.
//
// The idea is Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles", 2020): scale the float by a power of
// ten from a table to where the interval that rounds to it is at least 1 and less than 10 long. If it then holds a multiple
// of ten, that is the answer; else the nearest integer in it is. It is done here in fixed point with 32 bits behind the point,
// which is wrong by less than slack. Whether that ever matters is not argued but tried: TestFP32Text with -exhaustive goes
// through every float32.
func shortest32(b uint32) (digits uint32, exponent int) {
	const fractionBits, bias = 23, 150
	fraction, biased := b&(1<<fractionBits-1), int(b>>fractionBits)
	c, q := fraction|1<<fractionBits, biased-bias // the float is c × 2^q
	if biased == 0 {
		c, q = fraction, 1-bias
	}
	if shift := uint(-q); shift <= fractionBits && c&(1<<shift-1) == 0 {
		return c >> shift, 0 // a whole number: labels, counts and pixels are
	}
	k := floorLog10Pow2(q)
	powerOfTwo := fraction == 0 && biased > 1
	if powerOfTwo { // the neighbour below is in the next binade, half as far
		k = floorLog10ThreeQuartersPow2(q)
	}
	h := uint(q + floorLog2Pow10(-k) + 1) // 1 to 4; the masks spare checks for shifts beyond 63
	g := powersOfTen[-k-leastPower]
	value, _ := bits.Mul64(g, uint64(c)<<((h+32)&63))
	half := g >> ((33 - h) & 63) // of the distance between neighbours

	// The ends of the interval round to the even neighbour: to us if c is even. What is nearly an end is one.
	above := half + slack - 2*slack*uint64(c&1)
	below := above
	if powerOfTwo {
		below /= 2
	}
	tens := uint32((value+above)>>32) / 10 * 10
	digits = roundFixed(value)
	if powerOfTwo { // the interval reaches twice as far up as down
		if digits = uint32((value + 1<<31 + slack) >> 32); uint64(digits)<<32 < value-below {
			digits++ // the nearest integer belongs to the neighbour below already
		}
	}
	if uint64(tens)<<32 >= value-below {
		digits = tens
	}
	return digits, k
}

// slack bounds the error of the fixed point in shortest32, in units of its last place: the table is off by up to one unit
// in its own, far below, products are cut off, and sums have two of those.
const slack = 4

// roundFixed returns the integer nearest to a number with 32 bits behind the point; what is nearly the middle is one, and
// goes to the even side.
func roundFixed(value uint64) uint32 {
	odd := value >> 32 & 1
	return uint32((value + 1<<31 - slack + 2*slack*odd) >> 32)
}

// Logarithms by multiplication, exact for the exponents of float32 and far beyond.
func floorLog10Pow2(e int) int              { return e * 1262611 >> 22 }
func floorLog10ThreeQuartersPow2(e int) int { return (e*1262611 - 524031) >> 22 }
func floorLog2Pow10(e int) int              { return e * 1741647 >> 19 }

// putFP32 writes the finite float32 with the given bits to the front of out, which is longestFP32 bytes long, and returns
// the length of the text.
//
// The digits are moved to the left until there are nine, held in registers, and stored all together wherever they may be
// needed: how many there are differs from number to number, so that loops and copies of just so many would be mispredicted
// most of the time. What is stored beyond the end is overwritten by what comes next.
func putFP32(out []byte, b uint32) (length int) {
	switch {
	case b == 0:
		return copy(out, "0")
	case b == 1<<31:
		return copy(out, minusZero)
	case b>>31 != 0:
		out[0] = '-'
		return 1 + putFP32(out[1:], b&^(1<<31))
	}
	const most = 9
	digits, exponent := shortest32(b)
	point := most + exponent // where the decimal point stands, counted from the first digit
	if digits < 1e7 {
		digits, point = digits*100, point-2
	}
	for digits < 1e8 {
		digits, point = digits*10, point-1
	}
	head, tail := byte('0'+digits/1e8), eightDigits(digits%1e8)
	count := most - bits.TrailingZeros64(tail)/8 // zeros at the end are not written
	tail |= '0' * eachByte
	switch {
	case point <= plainFrom || point > plainTo:
		return len(appendScientific(out[:0], head, tail, count, point-1))
	case point <= 0:
		binary.LittleEndian.PutUint64(out, zeroPoint)
		out[2-point] = head
		binary.BigEndian.PutUint64(out[3-point:], tail)
		return 2 - point + count
	}
	out[0] = head
	binary.BigEndian.PutUint64(out[1:], tail)
	if point < count {
		binary.BigEndian.PutUint64(out[point+1:], tail<<(8*uint(point-1)&63))
		out[point] = '.'
		return count + 1
	}
	copy(out[count:], "00000000000000000000"[:point-count])
	return point
}

// zeroPoint is "0.000000" as a word.
const zeroPoint = '0'*eachByte ^ ('0'^'.')<<8

// eightDigits returns the digits of n < 10^8, with zeros in front, one in each byte, the last in the lowest. Each step parts
// numbers in two of half the digits: the multiplications divide by 100 and by 10, and move the quotient up while taking
// its multiple away.
func eightDigits(n uint32) uint64 {
	x := uint64(n/1e4)<<32 | uint64(n%1e4)
	x += (x * 10486 >> 20 & 0x0000007f0000007f) * (1<<16 - 100)
	x += (x * 103 >> 10 & 0x000f000f000f000f) * (1<<8 - 10)
	return x
}

// appendScientific appends count digits, the first in head and the others in tail, with the point behind the first, and an
// exponent.
func appendScientific(dst []byte, head byte, tail uint64, count, exponent int) []byte {
	dst = append(dst, head)
	if count > 1 {
		dst = append(dst, '.')
		dst = binary.BigEndian.AppendUint64(dst, tail)[:len(dst)+count-1]
	}
	dst = append(dst, 'e')
	if exponent > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(exponent), 10)
}
