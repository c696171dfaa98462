package conf

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as "256MiB" or as a plain number of bytes.
type Size int64

// The binary units of a Size.
const (
	KiB Size = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// sizeUnits are the units a file may use, largest binary ones first: String takes the first that divides.
var sizeUnits = [...]struct {
	name  string
	bytes Size
}{
	{"TiB", TiB},
	{"GiB", GiB},
	{"MiB", MiB},
	{"KiB", KiB},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"kB", 1e3},
	{"B", 1},
}

const sizeForms = `a size such as "256MiB" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB) or a number of bytes`

// String writes s in the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits[:4] {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// ParseSize reads a whole number with a unit ("256MiB", "1 GB") or without one (bytes).
func ParseSize(s string) (Size, error) {
	digits := strings.TrimSpace(s)
	unit := Size(1)
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(digits, u.name); ok {
			digits, unit = strings.TrimRight(number, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	switch {
	case err != nil && !isRange(err):
		return 0, fmt.Errorf("%q is not %s", s, sizeForms)
	case err != nil || n > uint64(math.MaxInt64/unit):
		return 0, fmt.Errorf("%q is too large: at most %d bytes can be counted", s, int64(math.MaxInt64))
	}
	return Size(n) * unit, nil
}
