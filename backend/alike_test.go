package backend

import (
	"encoding/binary"
	"math"
	"testing"

	"ganglion/internal/oip"
)

func TestAlike(t *testing.T) {
	f := func(values ...float32) (data []byte) {
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		return data
	}
	nan := float32(math.NaN())
	for _, c := range []struct {
		d    oip.Datatype
		a, b []byte
		want bool
	}{
		{oip.FP32, f(1, 1000, 0), f(1.001, 1001, -0.001), true},
		{oip.FP32, f(1), f(1.5), false},
		{oip.FP32, f(nan), f(nan), true},
		{oip.FP32, f(nan), f(1), false},
		{oip.FP16, []byte{0x00, 0x3c}, []byte{0x01, 0x3c}, true},
		{oip.BF16, []byte{0x80, 0x3f}, []byte{0x00, 0x40}, false},
		{oip.Int8, []byte{100}, []byte{101}, false},
		{oip.Bytes, []byte("\x01\x00\x00\x00a"), []byte("\x01\x00\x00\x00a"), true},
	} {
		if got := alike(c.d, c.a, c.b); got != c.want {
			t.Errorf("%s %x and %x: %v", c.d, c.a, c.b, got)
		}
	}
}
