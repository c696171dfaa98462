package hop

import "math"

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
