package oip

import (
	"math"
	"math/bits"
	"strconv"
)

// Floats are rounded once, to nearest even, straight from the decimal text: FP32 never by way of a rounded float64. The
// quick ways below either give that result for certain or say that they cannot tell, and strconv decides.

// tenths are powers of ten from 10^-22 to 10^22, each the nearest float64; those from 10^0 up are exact.
var tenths = [...]float64{
	1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12,
	1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1,
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// exactTenths is the largest power of ten that float64 holds exactly.
const exactTenths = 22

// tens are the powers of ten that uint64 holds.
var tens = [maxDigits + 1]uint64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// float32 returns the float32 nearest to the number that was just taken and is written so; ok is false when it is beyond
// the largest.
func (d decimal) float32(text []byte) (f float32, ok bool) {
	if !d.long {
		if f, ok = quickFloat32(d.mantissa, d.exponent); ok {
			if d.negative {
				f = -f
			}
			return f, true
		}
	}
	wide, err := strconv.ParseFloat(string(text), 32)
	return float32(wide), err == nil
}

// float64 is float32 for float64.
func (d decimal) float64(text []byte) (f float64, ok bool) {
	if !d.long {
		if f, ok = quickFloat64(d.mantissa, d.exponent); ok {
			if d.negative {
				f = -f
			}
			return f, true
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil
}

// quickFloat32 rounds mantissa × 10^exponent to float32 by way of a float64 that is close but not exact.
//
// The float64 comes of at most three roundings (mantissa, power, product), each wrong by at most 2^-53 of the value, so it
// is within 4 units of its last place of the true value. Rounding it on to float32 goes wrong only if a midpoint between
// two float32 lies between the two. For normal float32 a midpoint is where the 29 bits that float32 lacks are 1 and 28
// zeros; within 8 of that the answer is left open, which one number in 30 million hits by chance.
func quickFloat32(mantissa uint64, exponent int) (f float32, ok bool) {
	if mantissa == 0 {
		return 0, true
	}
	if exponent < -exactTenths || exponent > exactTenths {
		return 0, false
	}
	near := float64(mantissa) * tenths[exponent+exactTenths]
	if near < smallestNormal32 || near > math.MaxFloat32 {
		return 0, false
	}
	const lost, midpoint, doubt = 1<<29 - 1, 1 << 28, 8
	if math.Float64bits(near)&lost-(midpoint-doubt) <= 2*doubt {
		return 0, false
	}
	return float32(near), true
}

// smallestNormal32 is the least float32 with all its bits of precision.
const smallestNormal32 = 0x1p-126

// quickFloat64 rounds mantissa × 10^exponent to float64. Where mantissa and power are both exact one operation rounds
// once (Clinger); otherwise a product of 128 bits or a long division, with what is left over as a sticky bit, does.
func quickFloat64(mantissa uint64, exponent int) (f float64, ok bool) {
	if mantissa == 0 {
		return 0, true
	}
	if mantissa <= 1<<53 {
		switch {
		case exponent == 0:
			return float64(mantissa), true
		case exponent > 0 && exponent <= exactTenths:
			return float64(mantissa) * tenths[exponent+exactTenths], true
		case exponent < 0 && exponent >= -exactTenths:
			return float64(mantissa) / tenths[exactTenths-exponent], true
		}
	}
	switch {
	case exponent >= 0 && exponent <= maxDigits:
		high, low := bits.Mul64(mantissa, tens[exponent])
		return roundFloat64(high, low), true
	case exponent < 0 && exponent >= -maxDigits:
		return divideFloat64(mantissa, tens[-exponent]), true
	}
	return 0, false
}

// roundFloat64 returns the float64 nearest to the integer high:low, which is not 0.
func roundFloat64(high, low uint64) float64 {
	if high == 0 {
		return float64(low)
	}
	shift := bits.LeadingZeros64(high)
	top := high<<shift | low>>(64-shift)
	if low<<shift != 0 {
		top |= 1 // top has 11 bits that float64 lacks: the last of them may stand for all below
	}
	return float64(top) * twoTo(64-shift)
}

// divideFloat64 returns the float64 nearest to a/b, neither being 0. Both are shifted so that the quotient has 63 or 64
// bits, at least ten more than float64 holds; the last of those may stand for the remainder.
func divideFloat64(a, b uint64) float64 {
	shiftA, shiftB := bits.LeadingZeros64(a), bits.LeadingZeros64(b)
	a, b = a<<shiftA, b<<shiftB
	quotient, remainder := bits.Div64(a>>1, a<<63, b) // a>>1 < 2^63 <= b: the quotient fits
	if remainder != 0 {
		quotient |= 1
	}
	return float64(quotient) * twoTo(shiftB-shiftA-63)
}

// twoTo returns 2^e for the exponents of normal float64.
func twoTo(e int) float64 { return math.Float64frombits(uint64(e+1023) << 52) }
