package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"ganglion/internal/oip"
)

// ONNX's own tolerances for these vectors (its backend test runner compares with them by default).
const (
	relative = 1e-3
	absolute = 1e-7
)

// compare says how got differs from want.
func compare(got, want oip.Tensor) error {
	if got.Datatype != want.Datatype || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("%s is %s%v, want %s%v", want.Name, got.Datatype, got.Shape, want.Datatype, want.Shape)
	}
	number := floats(want.Datatype)
	if number == nil {
		if !bytes.Equal(got.Data, want.Data) {
			return fmt.Errorf("%s differs", want.Name)
		}
		return nil
	}
	size := want.Datatype.Size()
	if len(got.Data) != len(want.Data) {
		return fmt.Errorf("%s has %d bytes, want %d", want.Name, len(got.Data), len(want.Data))
	}
	for i := 0; i < len(want.Data); i += size {
		g, w := number(got.Data[i:]), number(want.Data[i:])
		if !near(g, w) {
			return fmt.Errorf("%s[%d] is %g, want %g", want.Name, i/size, g, w)
		}
	}
	return nil
}

func near(got, want float64) bool {
	switch {
	case math.IsNaN(want):
		return math.IsNaN(got)
	case math.IsInf(want, 0) || math.IsInf(got, 0):
		return got == want
	}
	return math.Abs(got-want) <= absolute+relative*math.Abs(want)
}

// needsBinary reports whether JSON cannot carry a tensor.
func needsBinary(t oip.Tensor) bool {
	if t.Datatype == oip.FP16 || t.Datatype == oip.BF16 {
		return true
	}
	number := floats(t.Datatype)
	if number == nil {
		return false
	}
	for i := 0; i < len(t.Data); i += t.Datatype.Size() {
		if v := number(t.Data[i:]); math.IsNaN(v) || math.IsInf(v, 0) {
			return true
		}
	}
	return false
}

// floats reads one element of a floating point type; it is nil for the other types.
func floats(d oip.Datatype) func([]byte) float64 {
	switch d {
	case oip.FP64:
		return func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
	case oip.FP32:
		return func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }
	case oip.BF16:
		return func(b []byte) float64 {
			return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
		}
	case oip.FP16:
		return func(b []byte) float64 { return half(binary.LittleEndian.Uint16(b)) }
	}
	return nil
}

// half is the value of an IEEE 754 binary16.
func half(bits uint16) float64 {
	sign := 1 - 2*float64(bits>>15)
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
