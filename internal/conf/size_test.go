package conf

import "testing"

func TestParseSize(t *testing.T) {
	f := func(in string, want Size) {
		t.Helper()
		if got, err := ParseSize(in); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	f("0", 0)
	f("17", 17)
	f("17B", 17)
	f("1KiB", 1<<10)
	f("2 MiB", 2<<20)
	f("3GiB", 3<<30)
	f("1TiB", 1<<40)
	f("1kB", 1000)
	f("1KB", 1000)
	f("5MB", 5e6)
	f("5GB", 5e9)
	f("5TB", 5e12)
	f("9223372036854775807", 1<<63-1)
	for _, bad := range []string{"", "B", "MiB", "-1", "1.5GiB", "1mib", "0x10", "1 M", "1_000", "9223372036854775808", "8388608TiB", "99999999999999999999"} {
		if got, err := ParseSize(bad); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", bad, got)
		}
	}
}

func TestSizeReadsBack(t *testing.T) {
	f := func(in Size, want string) {
		t.Helper()
		if got := in.String(); got != want {
			t.Errorf("Size(%d) = %q, want %q", int64(in), got, want)
		}
		if back, err := ParseSize(want); back != in || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", want, back, err, in)
		}
	}
	f(0, "0B")
	f(1000, "1000B")
	f(KiB, "1KiB")
	f(1536*KiB, "1536KiB")
	f(256*MiB, "256MiB")
	f(3*TiB, "3TiB")
}
