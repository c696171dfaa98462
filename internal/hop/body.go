package hop

// body is the pooled memory in which a large body is received: one piece for what is no larger than a segment, otherwise segments that
// are put together by whoever waits for the body. The reading goroutine never copies or clears more than one segment, because
// everybody's frames wait for it.
type body struct {
	buf  []byte   // the piece that is being filled
	full [][]byte // the segments before it
}

// room returns where the next n bytes of want go, in one or two pieces. n is no more than a segment.
func (b *body) room(n int, want int64, pool *budget) (first, second []byte) {
	if b.buf == nil {
		b.buf = pool.get(min(want, segmentSize))
	}
	at := len(b.buf)
	free := cap(b.buf) - at
	if n <= free {
		b.buf = b.buf[:at+n]
		return b.buf[at:], nil
	}
	first = b.buf[at:cap(b.buf)]
	b.full = append(b.full, b.buf[:cap(b.buf)])
	b.buf = pool.get(segmentSize)[:n-free]
	return first, b.buf
}

// add appends the bytes that came with the head.
func (b *body) add(p []byte, want int64, pool *budget) {
	if len(p) > 0 {
		first, _ := b.room(len(p), want, pool)
		copy(first, p)
	}
}

// join puts the body together in one piece.
func (b *body) join(pool *budget) []byte {
	if len(b.full) > 0 {
		whole := b.appendTo(pool.get(b.size()))
		b.drop(pool)
		b.buf = whole
	}
	return b.buf
}

// moveTo returns the body in memory if that has room for it, and otherwise gives its own away.
func (b *body) moveTo(memory []byte, pool *budget) []byte {
	if b.size() > int64(cap(memory)) {
		whole := b.join(pool)
		b.buf = nil
		return whole
	}
	memory = b.appendTo(memory[:0])
	b.drop(pool)
	return memory
}

func (b *body) size() int64 {
	n := len(b.buf)
	for _, segment := range b.full {
		n += len(segment)
	}
	return int64(n)
}

func (b *body) appendTo(dst []byte) []byte {
	for _, segment := range b.full {
		dst = append(dst, segment...)
	}
	return append(dst, b.buf...)
}

// drop puts the memory back into the pool.
func (b *body) drop(pool *budget) {
	for _, segment := range b.full {
		pool.put(segment)
	}
	pool.put(b.buf)
	*b = body{}
}
