package oip

import (
	"encoding/binary"
	"math"
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
