package hop

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Budget bounds the memory that large bodies take while they are received, over all connections that are given the same one, and
// pools it. A body whose announced length is not left in it is refused at once; the sender may try another node. Copies are
// the same budget.
type Budget struct{ *budget }

type budget struct {
	left  atomic.Int64
	share Memory             // instead of left, unless it is nil
	class [classes]sync.Pool // of *[]byte with a capacity of a power of two, for as long as the garbage collector leaves them
}

const (
	// segmentSize is the piece of memory in which a large body is received, and the most that one is given before it has filled
	// the last: what is announced costs nothing until it comes. One image as an FP32 tensor fits.
	segmentSize = 1 << 20

	smallestClass = 16 // the exponent: 64 KiB
	classes       = 16 // up to 2 GiB; larger bodies are not pooled
)

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) Budget {
	b := Budget{new(budget)}
	b.left.Store(bytes)
	return b
}

// Memory is an account of bytes that others draw from too. Its methods may be called from any goroutine and must return at
// once: connections call them under their locks.
type Memory interface {
	// Reserve takes bytes out, or nothing when they are not there, and says which.
	Reserve(bytes int64) bool
	// Release puts bytes back.
	Release(bytes int64)
}

// ShareBudget returns a budget that draws from m: for a server that receives bodies by other ways too and bounds them all
// together.
func ShareBudget(m Memory) Budget { return Budget{&budget{share: m}} }

// Left returns the bytes that are not reserved; 0 for those of ShareBudget, which others may take at any moment.
func (b Budget) Left() int64 { return b.left.Load() }

// Reserve takes bytes out for a body that is held longer than the connection holds it, or reports that they are not there.
func (b Budget) Reserve(bytes int64) bool { return b.reserve(bytes) }

// Release puts back what Reserve took.
func (b Budget) Release(bytes int64) { b.release(bytes) }

// Recycle takes the memory of a Response.Body that nobody uses any more.
func (b Budget) Recycle(body []byte) { b.put(body) }

// reserve takes bytes out, or nothing when they are not there.
func (b *budget) reserve(bytes int64) bool {
	if b.share != nil {
		return b.share.Reserve(bytes)
	}
	if b.left.Add(-bytes) >= 0 {
		return true
	}
	b.left.Add(bytes)
	return false
}

// release puts bytes back.
func (b *budget) release(bytes int64) {
	if b.share != nil {
		b.share.Release(bytes)
		return
	}
	b.left.Add(bytes)
}

// get returns an empty slice with room for size bytes, out of the pool if it can.
func (b *budget) get(size int64) []byte {
	i := max(bits.Len64(uint64(max(size, 1)-1))-smallestClass, 0)
	if i >= classes {
		return make([]byte, 0, size)
	}
	if v, ok := b.class[i].Get().(*[]byte); ok {
		return (*v)[:0]
	}
	return make([]byte, 0, 1<<(i+smallestClass))
}

// put takes a slice back that nobody uses any more. What get would not return is left to the garbage collector.
func (b *budget) put(s []byte) {
	i := bits.Len(uint(cap(s))) - 1 - smallestClass
	if i < 0 || i >= classes || cap(s) != 1<<(i+smallestClass) {
		return
	}
	b.pool(i, s[:0])
}

// pool is apart from put because what it takes the address of is allocated, whether or not it is used.
func (b *budget) pool(class int, s []byte) { b.class[class].Put(&s) }
