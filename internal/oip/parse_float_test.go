package oip

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// checkNumber compares a number read as FP32 and FP64 with strconv.
func checkNumber(t *testing.T, text string) {
	t.Helper()
	s := scanner{buf: []byte(text)}
	d, err := s.number()
	if err != nil || s.pos != len(text) {
		t.Fatalf("number(%s) stops at %d: %v", text, s.pos, err)
	}
	want64, err64 := strconv.ParseFloat(text, 64)
	got64, ok := d.float64(s.buf[:s.pos])
	if ok != (err64 == nil) || ok && math.Float64bits(got64) != math.Float64bits(want64) {
		t.Errorf("%s as FP64 is %x %t, want %x %v", text, got64, ok, want64, err64)
	}
	want32, err32 := strconv.ParseFloat(text, 32)
	got32, ok := d.float32(s.buf[:s.pos])
	if ok != (err32 == nil) || ok && math.Float32bits(got32) != math.Float32bits(float32(want32)) {
		t.Errorf("%s as FP32 is %x %t, want %x %v", text, got32, ok, want32, err32)
	}
}

func TestFloatsAreRoundedOnce(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "0.0", "-0.000", "0e5", "0e-999", "1", "-1", "1.5", "0.1", "3.1415927", "1e22", "1e23", "1e-22", "1e-23",
		"16777217", "16777217.0000001", "16777216.9999999", "33554434.999999999", // FP32 midpoints and next to them
		"9007199254740993", "9007199254740992.9999", "9007199254740993.0000001",
		"1.00000005960464477539", "1.000000059604644775390625", "1.0000000596046447753906250000001",
		"1.17549435e-38", "1.1754943e-38", "1.1754942e-38", "1e-45", "7e-46", "7.1e-46", "1e-60",
		"3.4028235e38", "3.4028235677973366e38", "3.40282356779733661637e38", "3.4028236e38", "1e39", "1e308", "1.7976931348623157e308",
		"1.7976931348623159e308", "1e309", "1e999", "-1e999", "1e-999", "4.9e-324", "2.4e-324", "2.5e-324",
		"18446744073709551615", "18446744073709551616", "1844674407370955161500000", "9999999999999999999", "99999999999999999999",
		"0.000000000000000000000000000000000000012345678901234567890", "123456789012345678901234567890.123456789",
		"100000000000000000000000000000000000000000000000000000e-50", "1e99999999999999999999", "1e-99999999999999999999",
		"8.442185640335083", "0.84442185", "12345678.12345678", "1234567812345678.1",
	} {
		checkNumber(t, text)
	}
	for range 50_000 {
		f := math.Float64frombits(rand.Uint64())
		if finite(f) {
			checkNumber(t, strconv.FormatFloat(f, 'e', rand.IntN(20), 64))
		}
		checkNumber(t, strconv.FormatFloat(rand.NormFloat64(), 'f', rand.IntN(22), 64))
		checkNumber(t, strconv.FormatFloat(float64(rand.Float32()), 'g', -1, 64)) // as Python prints a float32
		checkNumber(t, fmt.Sprintf("%d.%de%d", rand.Uint64N(1<<rand.IntN(60)), rand.Uint64N(1<<rand.IntN(60)), rand.IntN(90)-45))
		checkMidpoint(t)
	}
}

// checkMidpoint checks a number half way between two float32 and its closest neighbours in decimal.
func checkMidpoint(t *testing.T) {
	t.Helper()
	low := rand.Uint32N(0x7f7fffff)
	middle := (float64(math.Float32frombits(low)) + float64(math.Float32frombits(low+1))) / 2
	checkNumber(t, strconv.FormatFloat(middle, 'g', -1, 64))
	checkNumber(t, strconv.FormatFloat(math.Nextafter(middle, 0), 'g', -1, 64))
	checkNumber(t, strconv.FormatFloat(math.Nextafter(middle, 1e300), 'g', -1, 64))
	checkNumber(t, strconv.FormatFloat(middle, 'e', 18, 64))
}
