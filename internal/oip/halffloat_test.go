package oip

import (
	"math"
	"testing"
)

func TestHalfFloat(t *testing.T) {
	for bits, want := range map[uint16]float64{
		0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: math.Ldexp(1, -24), 0x03ff: 1023 * math.Ldexp(1, -24),
		0x0400: math.Ldexp(1, -14), 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		if got := HalfFloat(bits); got != want {
			t.Errorf("HalfFloat(%#x) is %v, want %v", bits, got, want)
		}
	}
	if !math.IsNaN(HalfFloat(0x7e00)) {
		t.Error("HalfFloat(0x7e00) is a number")
	}
}
