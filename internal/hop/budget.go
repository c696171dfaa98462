package hop

import "sync/atomic"

// Budget bounds the memory that bodies take while they are received, over all connections that share it. A body whose
// announced length is not left in it is refused at once; the sender may try another node. Copies are the same budget.
type Budget struct{ left *atomic.Int64 }

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) Budget {
	b := Budget{left: new(atomic.Int64)}
	b.left.Store(bytes)
	return b
}

// Left returns the bytes that are not reserved.
func (b Budget) Left() int64 { return b.left.Load() }

// reserve takes bytes out, or nothing when they are not there.
func (b Budget) reserve(bytes int64) bool {
	if b.left.Add(-bytes) >= 0 {
		return true
	}
	b.left.Add(bytes)
	return false
}

// release puts bytes back.
func (b Budget) release(bytes int64) { b.left.Add(bytes) }
