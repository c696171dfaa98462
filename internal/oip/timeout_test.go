package oip

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseTimeout(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"1": time.Millisecond, "250": 250 * time.Millisecond, "18446744073709551615": math.MaxInt64 / time.Millisecond * time.Millisecond,
	} {
		if got, err := ParseTimeout([]byte(in)); got != want || err != nil {
			t.Errorf("ParseTimeout(%q) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0", "-1", "+1", "1.5", "1s", "1e3", " 1", "0x10", "18446744073709551616", strings.Repeat("9", 10_000)} {
		_, err := ParseTimeout([]byte(in))
		if err == nil || !strings.Contains(err.Error(), "X-Request-Timeout-Ms is ") || !strings.Contains(err.Error(), "milliseconds from 1") || len(err.Error()) > 300 {
			t.Errorf("ParseTimeout(%.20q): %v", in, err)
		}
	}
}

func TestAppendTimeoutLeavesNobodyWithoutTime(t *testing.T) {
	for in, want := range map[time.Duration]string{
		-time.Second: "1", 0: "1", 1: "1", time.Millisecond: "1", time.Millisecond + 1: "2", time.Minute: "60000", math.MaxInt64 - 1e6: "9223372036854",
	} {
		if got := string(AppendTimeout(nil, in)); got != want {
			t.Errorf("AppendTimeout(%d) = %q, want %q", in, got, want)
		}
	}
}
