package hop

import "math"

// A body that is larger than the window is granted piece by piece as it arrives, although its memory has been set aside: what
// has been granted and not been read yet lies in the kernel's buffers, which grow to tens of megabytes, ahead of everything that
// comes later. So all large bodies of a connection together are granted about one window.

// minGrant is the least that a stream is kept supplied with, however many share the window: two chunks, so that one can be on
// its way while the other is read.
const minGrant = 2 * chunkSize

// large counts a body whose chunks are about to come. With the lock held.
func (c *link) large(st *stream) {
	st.in.large = true
	c.larges++
	st.touched = c.now()
}

// over takes it out of the count, if it is in. With the lock held.
func (c *link) over(st *stream) {
	if st.in.large {
		st.in.large = false
		c.larges--
	}
}

// supply grants a stream more once half of its share has been used up. With the lock held.
func (c *link) supply(st *stream) {
	in := &st.in
	share := max(int64(c.cfg.Window)/int64(max(c.larges, 1)), minGrant)
	if in.credit <= share/2 {
		c.grant(st, min(share, in.want-in.got)-in.credit)
		c.poke()
	}
}

// grant lets the peer send so many more bytes of a stream's body, if any. With the lock held; somebody must poke or claim.
func (c *link) grant(st *stream, bytes int64) {
	for bytes > 0 {
		step := min(bytes, math.MaxUint32)
		c.control(appendWindow(c.w.out, st.id, uint32(step)))
		st.in.credit += step
		st.touched = c.now()
		bytes -= step
	}
}
