package conf

import "strconv"

// Size is a number of bytes, written as "256MiB", "1.5GB" or a plain number of bytes.
type Size int64

// The units of a Size.
const (
	KiB Size = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// String writes s in the largest binary unit that divides it.
func (s Size) String() string { return strconv.FormatInt(int64(s), 10) }
