package rollout

import (
	"math"
	"sync/atomic"
)

// Split takes a fixed share of the requests it is asked about, spread evenly among them. It is safe for concurrent use.
//
// The n-th request is taken when the fractional part of n times the golden ratio lies below the share. That sequence is
// the most even one there is: any run of consecutive requests gets its share to within a request or two, which rolling
// dice does not, and so does any regular part of them (every second, every tenth), which taking every twentieth request
// does not: two clients that take turns are treated alike.
type Split struct {
	below uint64 // share of the 64-bit circle
	all   bool
	asked atomic.Uint64
}

// golden is the fractional part of the golden ratio as a share of the 64-bit circle.
const golden = 0x9E3779B97F4A7C15

// NewSplit takes the given percentage, 0 to 100, of what it is asked about.
func NewSplit(percent float64) *Split {
	if percent >= 100 {
		return &Split{all: true}
	}
	return &Split{below: uint64(max(percent, 0) / 100 * math.MaxUint64)}
}

// Take reports whether this request belongs to the share.
func (s *Split) Take() bool {
	if s.all || s.below == 0 {
		return s.all
	}
	return s.asked.Add(1)*golden < s.below
}

// Next reports whether the next request would belong to the share, without counting as one.
func (s *Split) Next() bool {
	if s.all || s.below == 0 {
		return s.all
	}
	return (s.asked.Load()+1)*golden < s.below
}
