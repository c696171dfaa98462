package scheduler

// buffer is memory that is used again and again for contents of changing size. It grows to what is asked for and, when it
// has been far too large for a while, shrinks: one huge request must not hold its memory for ever.
type buffer struct {
	data []byte // as Memory.Alloc gave it
	uses int    // since most was begun
	most int    // bytes that any of these uses asked for
}

const (
	// shrinkAfter uses without need for half of it, a buffer is replaced by one that fits. It makes replacing rare enough not
	// to show, and quick enough for a busy model to give memory back within seconds.
	shrinkAfter = 1024

	// shrinkAbove is the size from which on that is worth doing.
	shrinkAbove = 64 << 10
)

// take returns size bytes of any content. What take returned before is lost.
func (b *buffer) take(mem Memory, size int) []byte {
	b.uses++
	b.most = max(b.most, size)
	if size > len(b.data) {
		b.free(mem)
		b.data = mem.Alloc(size + size/4) // room for a somewhat larger batch, so that growing settles soon
	}
	if b.uses >= shrinkAfter {
		if len(b.data) > shrinkAbove && b.most < len(b.data)/2 {
			b.free(mem)
			b.data = mem.Alloc(b.most + b.most/4)
		}
		b.uses, b.most = 0, 0
	}
	return b.data[:size:size]
}

// free gives the memory back.
func (b *buffer) free(mem Memory) {
	if b.data != nil {
		mem.Free(b.data)
		b.data = nil
	}
}
