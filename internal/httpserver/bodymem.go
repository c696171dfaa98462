package httpserver

import (
	"math/bits"
	"sync"

	"ganglion/internal/memory"
)

const (
	// smallBody is not counted against the budget: the counter would be the one cache line that all cores write on
	// every request. MaxConnections bounds what small bodies can take together.
	smallBody = 16 << 10
	// Buffers of 1 KiB to 1 MiB are pooled by powers of two. Larger ones are left to the garbage collector, so that
	// a burst of giants does not stay.
	smallestClass = 10
	largestClass  = 20
)

// bodyMemory hands out buffers for request bodies, within a budget for the whole server.
type bodyMemory struct {
	memory.Account
	pools [largestClass - smallestClass + 1]sync.Pool
}

// body is one buffer. b[:len] has been received; cap(b) is what is charged.
type body struct{ b []byte }

// acquire returns an empty buffer of at least size bytes, or nil when the budget is spent.
func (m *bodyMemory) acquire(size int) *body {
	class := max(bits.Len(uint(size-1)), smallestClass)
	if class > largestClass {
		return m.charge(&body{}, size, size)
	}
	b, ok := m.pools[class-smallestClass].Get().(*body)
	if !ok {
		b = &body{}
	}
	return m.charge(b, cap(b.b), 1<<class)
}

// charge accounts for size bytes and gives b that much memory, unless it has it already.
func (m *bodyMemory) charge(b *body, has, size int) *body {
	if size > smallBody && !m.Reserve(int64(size)) {
		return nil
	}
	if has < size || b.b == nil {
		b.b = make([]byte, 0, size)
	}
	return b
}

// grow returns a buffer of at least size bytes that holds what b holds, and releases b; nil when the budget is spent,
// and then b is left as it is.
func (m *bodyMemory) grow(b *body, size int) *body {
	larger := m.acquire(size)
	if larger == nil {
		return nil
	}
	larger.b = append(larger.b, b.b...)
	m.release(b)
	return larger
}

// release takes back b; nobody may read it any more.
func (m *bodyMemory) release(b *body) {
	m.abandon(b)
	if class := bits.Len(uint(cap(b.b) - 1)); class <= largestClass {
		b.b = b.b[:0]
		m.pools[class-smallestClass].Put(b)
	}
}

// abandon stops counting b but leaves it to whoever still reads it.
func (m *bodyMemory) abandon(b *body) {
	if size := cap(b.b); size > smallBody {
		m.Release(int64(size))
	}
}

// Reserve takes bytes out of what request bodies may take together (max_body_memory), for bodies that come another way than
// by HTTP; false when they are not there.
func (s *Server) Reserve(bytes int64) bool { return s.bodies.Reserve(bytes) }

// Release puts back what Reserve took.
func (s *Server) Release(bytes int64) { s.bodies.Release(bytes) }
