package oip

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// exhaustive makes the test of float32 go through all of them: ten minutes and more of processor time (give -timeout 1h)
// instead of a tenth of a second.
var exhaustive = flag.Bool("exhaustive", false, "test every float32 instead of every 4099th")

func TestPowersOfTen(t *testing.T) {
	for i, got := range powersOfTen {
		e := i + leastPower
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(e, -e))), nil)
		value := new(big.Rat).SetInt(ten)
		if e < 0 {
			value.Inv(value)
		}
		scale := 63 - floorLog2Pow10(e) // so that 2^63 <= value·2^scale < 2^64
		two := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(max(scale, -scale))))
		if scale < 0 {
			two.Inv(two)
		}
		value.Mul(value, two)
		want, rest := new(big.Int).QuoRem(value.Num(), value.Denom(), new(big.Int))
		if rest.Sign() != 0 {
			want.Add(want, big.NewInt(1))
		}
		if !want.IsUint64() || want.Uint64() != got {
			t.Errorf("powersOfTen[1e%d] = %#x, want %#x", e, got, want)
		}
	}
}

func TestScales(t *testing.T) {
	for exponent, got := range scales {
		want := uint64(0)
		if exponent > 0 && exponent < 255 {
			q := exponent - bias32
			k := floorLog10Pow2(q)
			shift := uint(3 - q - floorLog2Pow10(-k))
			want = (powersOfTen[-k-leastPower] + 1<<shift - 1) >> shift
		}
		if got != want {
			t.Errorf("scales[%d] = %#x, want %#x", exponent, got, want)
		}
	}
}

// appendFP32 appends what putFP32 writes.
func appendFP32(dst []byte, b uint32) []byte {
	tensor := Tensor{Datatype: FP32, Shape: []int64{1}, Data: binary.LittleEndian.AppendUint32(nil, b)}
	w, _ := newValueWriter(&tensor, "")
	dst, _ = w.appendRow(dst, 1)
	return dst
}

// TestFP32Text goes through the positive float32: what is written is what encoding/json writes, and reads back as the
// same bits.
func TestFP32Text(t *testing.T) {
	stride := uint64(4099) // prime, so that exponents and fractions are met in many combinations
	if *exhaustive {
		stride = 1
	}
	workers := uint64(runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for worker := range workers {
		wait.Go(func() {
			for b := worker * stride; b < 0x7f800000; b += workers * stride {
				if !checkFP32Text(t, uint32(b)) {
					return
				}
			}
		})
	}
	wait.Wait()
	for exponent := range uint32(255) { // powers of two and their neighbours are where the gaps change
		for _, b := range []uint32{exponent << 23, exponent<<23 + 1, exponent<<23 + 2, (exponent+1)<<23 - 1} {
			checkFP32Text(t, b)
		}
	}
}

func checkFP32Text(t *testing.T, b uint32) bool {
	t.Helper()
	var gotBuf, wantBuf [longestFP32]byte
	f := math.Float32frombits(b)
	got := gotBuf[:putFP32(&gotBuf, b)]
	want := appendLikeJSON(wantBuf[:0], f)
	if string(got) != string(want) {
		t.Errorf("float32 %#08x is written %s, want %s", b, got, want)
		return false
	}
	s := scanner{buf: got}
	d, err := s.number()
	if err != nil {
		t.Errorf("float32 %#08x is written %s: %v", b, got, err)
		return false
	}
	if back, ok := d.float32(s.buf[:s.pos]); !ok || math.Float32bits(back) != b {
		t.Errorf("float32 %#08x is written %s and reads back as %#08x", b, got, math.Float32bits(back))
		return false
	}
	return true
}

// appendLikeJSON is what encoding/json does for a float32, without its cost.
func appendLikeJSON(dst []byte, f float32) []byte {
	format := byte('f')
	if f != 0 && (f < 1e-6 || f >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, float64(f), format, -1, 32)
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

func TestFloatsAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
	for range 50_000 {
		f32 := math.Float32frombits(rand.Uint32())
		if finite(float64(f32)) {
			want, _ := json.Marshal(f32)
			if got := appendFP32(nil, math.Float32bits(f32)); string(got) != string(want) {
				t.Fatalf("float32 %#08x is written %s, want %s", math.Float32bits(f32), got, want)
			}
		}
		f64 := math.Float64frombits(rand.Uint64())
		if finite(f64) {
			want, _ := json.Marshal(f64)
			if got := appendFP64(nil, f64); string(got) != string(want) {
				t.Fatalf("float64 %#016x is written %s, want %s", math.Float64bits(f64), got, want)
			}
		}
	}
	for _, f := range []float64{0, 1, -1, 1e-6, 9.99e-7, 1e20, 1e21, 1e22, 5e-324, math.MaxFloat64, 1e-100} {
		want, _ := json.Marshal(f)
		if got := appendFP64(nil, f); string(got) != string(want) {
			t.Errorf("float64 %g is written %s, want %s", f, got, want)
		}
		want, _ = json.Marshal(float32(f))
		if got := appendFP32(nil, math.Float32bits(float32(f))); finite(float64(float32(f))) && string(got) != string(want) {
			t.Errorf("float32 %g is written %s, want %s", f, got, want)
		}
	}
}

func TestZeroBelowZeroKeepsItsSign(t *testing.T) {
	if got := appendFP32(nil, 1<<31); string(got) != "-0.0" {
		t.Errorf("float32 -0 is written %s", got)
	}
	if got := appendFP64(nil, math.Copysign(0, -1)); string(got) != "-0.0" {
		t.Errorf("float64 -0 is written %s", got)
	}
}
