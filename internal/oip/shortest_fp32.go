package oip

import "math/bits"

// What a float32 is made of: a sign, an exponent and a fraction. A float with the exponent e is its fraction, with the bit
// above it set, times 2^(e-bias32).
const (
	fractionBits32 = 23
	bias32         = 150
)

// shortest32 returns the shortest decimal, digits × 10^exponent, that rounds to the positive float32 with the given bits,
// and of those the nearest to it. There are at most nine digits, with or without zeros at their end.
//
// The idea is Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles", 2020): scale the float by a power of
// ten from a table to where the interval that rounds to it is at least 1 and less than 10 long. If it then holds a multiple
// of ten, that is the answer; else the nearest integer in it is. It is done here in fixed point with 32 bits behind the point,
// which is wrong by less than slack. Whether that ever matters is not argued but tried: TestFP32Text with -exhaustive goes
// through every float32.
func shortest32(b uint32) (digits uint32, exponent int) {
	fraction, biased := b&(1<<fractionBits32-1), int(b>>fractionBits32)
	c, q := fraction|1<<fractionBits32, biased-bias32 // the float is c × 2^q
	if biased == 0 {
		c, q = fraction, 1-bias32
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
