package oip

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// longestFP32 is more than any float32 takes: a sign, 21 digits or 10 characters around 9 digits, and what the stores of
// eight bytes below may write beyond.
const longestFP32 = 32

// putFP32 writes the magnitude of the finite float32 with the given bits to the front of out, and returns the length of the
// text, which is less than that of out. (The sign makes a difference to zero only.)
//
// What a number looks like differs from one to the next, so that branches and loops over it would be mispredicted most of
// the time. Hence there are few: the digits are moved to the left until there are nine, held in registers, and stored all
// together wherever they may be needed. What is stored beyond the end is overwritten by what comes next.
func putFP32(out *[longestFP32]byte, b uint32) (length int) {
	c, biased := b&(1<<fractionBits32-1)|1<<fractionBits32, b>>fractionBits32&0xff
	var digits uint32
	var exponent int
	if c == 1<<fractionBits32 || biased == 0 || biased >= bias32-fractionBits32 {
		if length = putWhole32(out, b); length > 0 {
			return length
		}
		digits, exponent = shortest32(b &^ (1 << 31))
	} else {
		// This is shortest32 for floats below one that are no power of two, nearly all that there are in answers, with a
		// table of their own.
		scale := scales[biased]
		value, _ := bits.Mul64(scale, uint64(c)<<36)
		half := scale>>29 + slack - 2*slack*uint64(c&1)
		digits, exponent = roundFixed(value), floorLog10Pow2(int(biased)-bias32)
		if tens := uint32((value+half)>>32) / 10 * 10; uint64(tens)<<32 >= value-half {
			digits = tens
		}
	}
	const most = 9
	point := most + exponent // where the decimal point stands, counted from the first digit
	for digits < 1e7 {       // the smallest floats, and those that powers of ten come near
		digits, point = digits*10, point-1
	}
	short := int32(digits-1e8) >> 31 // -1 for eight digits, 0 for nine: no branch would foresee it
	digits, point = digits+digits*9&uint32(short), point+int(short)
	head := digits / 1e8
	tail := eightDigits(digits - head*1e8)
	count := most - bits.TrailingZeros64(tail)/8 // zeros at the end are not written
	tail |= '0' * eachByte
	if zeros := uint(-point); zeros < -plainFrom {
		binary.LittleEndian.PutUint64(out[:], zeroPoint)
		zeros &= 7 // which it is anyway; this spares checks
		out[2+zeros] = byte('0' + head)
		binary.BigEndian.PutUint64(out[3+zeros:], tail)
		return 2 + int(zeros) + count
	}
	return putAboveOne(out, byte('0'+head), tail, count, point)
}

// putWhole32 is putFP32 for whole numbers that take no more digits than a float32 has: labels, counts and pixels are. The
// length is 0 for other floats.
func putWhole32(out *[longestFP32]byte, b uint32) (length int) {
	magnitude := b &^ (1 << 31)
	c, q := b&(1<<fractionBits32-1)|1<<fractionBits32, int(magnitude>>fractionBits32)-bias32
	switch {
	case b == 0:
		return copy(out[:], minusZero[1:2])
	case magnitude == 0:
		return copy(out[:], minusZero[1:])
	case q <= 0 && bits.TrailingZeros32(c)+q >= 0:
		return len(strconv.AppendUint(out[:0], uint64(c>>uint(-q)), 10))
	}
	return 0
}

// putAboveOne writes nine digits, the first in head and the others in tail, of which the last that are not zero make count of
// them, with the decimal point in another place than in front: behind point digits, or moved by an exponent.
func putAboveOne(out *[longestFP32]byte, head byte, tail uint64, count, point int) (length int) {
	const most = 9
	if point <= 0 || point > plainTo {
		return len(appendScientific(out[:0], head, tail, count, point-1))
	}
	out[0] = head
	binary.BigEndian.PutUint64(out[1:], tail)
	switch {
	case point < count:
		at := uint(point) & 15 // which it is anyway; this spares checks
		binary.BigEndian.PutUint64(out[at+1:], tail<<(8*(at-1)&63))
		out[at] = '.'
		return count + 1
	case point <= most:
		return point // what lies between the last digit and the point is zeros already
	default:
		return most + copy(out[most:], "00000000000000000000"[:point-most])
	}
}

// zeroPoint is "0.000000" as a word.
const zeroPoint = '0'*eachByte ^ ('0'^'.')<<8

// eightDigits returns the digits of n < 10^8, with zeros in front, one in each byte, the last in the lowest. Each step parts
// numbers in two of half the digits: the multiplications divide by 100 and by 10, and move the quotient up while taking
// its multiple away.
func eightDigits(n uint32) uint64 {
	x := uint64(n) + uint64(n/1e4)*(1<<32-1e4)
	x += (x * 10486 >> 20 & 0x0000007f0000007f) * (1<<16 - 100)
	x += (x * 103 >> 10 & 0x000f000f000f000f) * (1<<8 - 10)
	return x
}
