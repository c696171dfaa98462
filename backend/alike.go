package backend

import (
	"bytes"
	"encoding/binary"
	"math"

	"ganglion/internal/oip"
)

// likeness is how far numbers may be apart to be taken for the same: a larger batch goes through other kernels, which
// round in another order, to FP16 with three digits. Rows that the model mixes with each other differ by far more.
const likeness = 1e-2

// alike reports whether two pieces of data, of the same length, hold the same values.
func alike(d oip.Datatype, a, b []byte) bool {
	value := decoderOf(d)
	if value == nil {
		return bytes.Equal(a, b)
	}
	size := d.Size()
	for i := 0; i+size <= len(a); i += size {
		x, y := value(a[i:]), value(b[i:])
		same := x == y || math.IsNaN(x) && math.IsNaN(y)
		if !same && !(math.Abs(x-y) <= likeness*max(1, math.Abs(x), math.Abs(y))) {
			return false
		}
	}
	return true
}

// decoderOf returns what reads a number of a datatype that rounds, nil for the others.
func decoderOf(d oip.Datatype) func([]byte) float64 {
	switch d {
	case oip.FP32:
		return func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }
	case oip.FP64:
		return func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
	case oip.BF16:
		return func(b []byte) float64 {
			return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
		}
	case oip.FP16:
		return func(b []byte) float64 { return oip.HalfFloat(binary.LittleEndian.Uint16(b)) }
	default:
		return nil
	}
}
