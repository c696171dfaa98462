package hop

import "hash/crc32"

// maxParts bounds the chunks of one write, and with them what a small frame that comes too late for it waits behind: 640 KiB,
// 0.5 ms at 10 Gb/s. It is as many because an image as an FP32 tensor, 602,112 bytes, then goes in one call: with 256 KiB a
// write it cost the sender a third more CPU time.
const maxParts = 5

// batch is what one system call writes: a run of small frames, then chunks straight from their senders' memory.
type batch struct {
	small []byte
	parts []part
	heads [maxParts * headerSize]byte
	bufs  [][]byte
	size  int
}

// part is one chunk. Its stream is pinned: the memory of data stays as it is until the writer lets go.
type part struct {
	st   *stream
	id   uint64
	data []byte
	end  bool
}

// take fills b from the queue and the ring. With the lock held.
func (c *link) take(b *batch) {
	w := &c.w
	b.small, w.out, w.spare = w.out, w.spare, nil
	b.size = len(b.small)
	for len(b.parts) < maxParts && len(b.small) < hardQueue && !w.ready.empty() {
		c.takeFrom(b, w.ready.pop())
	}
	at := w.taken + uint64(len(b.small))
	b.size = len(b.small)
	for _, p := range b.parts {
		at += uint64(headerSize + len(p.data))
		b.size += headerSize + len(p.data)
		if p.end {
			p.st.out.endAt = at
		}
	}
	w.taken += uint64(b.size)
}

// takeFrom takes a stream's head if it is due, with the body when that is small, and otherwise one chunk. A stream that has
// more goes to the end of the ring: each gets its turn. With the lock held.
func (c *link) takeFrom(b *batch, st *stream) {
	o := &st.out
	st.touched = c.now()
	if o.pending {
		b.small = c.appendHead(b.small, st)
		if o.complete {
			o.endAt = c.w.taken + uint64(len(b.small))
			c.role.sent(st)
			return
		}
	}
	n := min(int64(chunkSize), c.peer.maxChunk, o.window, int64(len(o.body)-o.off))
	data := o.body[o.off : o.off+int(n)]
	o.off += int(n)
	o.window -= n
	o.pinned++
	o.complete = o.off == len(o.body)
	b.parts = append(b.parts, part{st: st, id: st.id, data: data, end: o.complete})
	c.w.frames++
	if st.sendable() {
		c.w.ready.push(st)
	}
	if o.complete {
		c.role.sent(st)
	}
}

// appendHead appends the first frame of a stream's message, with the whole body when that is small. With the lock held.
func (c *link) appendHead(dst []byte, st *stream) []byte {
	o := &st.out
	start := len(dst)
	dst = openFrame(dst)
	dst = c.role.appendHead(dst, st)
	flags := uint8(0)
	if len(o.body) <= inlineBody {
		dst = append(dst, o.body...)
		o.window -= int64(len(o.body))
		o.off, o.complete, flags = len(o.body), true, flagEnd
	}
	o.pending = false
	sealFrame(dst, start, c.role.headKind(), flags, st.id)
	c.w.frames++
	return dst
}

// send queues a stream's message: small ones are copied into the queue, which ends the stream's claim on the body's memory.
// Others, and all while the queue is long, wait in the ring for the writer. With the lock held.
func (c *link) send(st *stream, body []byte) {
	w, o := &c.w, &st.out
	o.body, o.pending, o.window = body, true, c.peer.window
	if len(body) > inlineBody || len(w.out) >= softQueue {
		w.ready.push(st)
		return
	}
	w.out = c.appendHead(w.out, st)
	o.endAt = w.taken + uint64(len(w.out))
	c.role.sent(st)
}

// seal writes the chunks' headers and lines everything up for the system call. Without the lock: it sums whole bodies.
func (b *batch) seal(sums bool) {
	b.bufs = b.bufs[:0]
	if len(b.small) > 0 {
		b.bufs = append(b.bufs, b.small)
	}
	for i, p := range b.parts {
		head := b.heads[i*headerSize : (i+1)*headerSize]
		h := frameHeader{length: uint32(len(p.data)), kind: kindChunk, id: p.id}
		if p.end {
			h.flags = flagEnd
		}
		if sums {
			h.sum = crc32.Update(0, castagnoli, p.data)
		}
		h.put(head)
		b.bufs = append(b.bufs, head, p.data)
	}
}

// appendFrom appends all but the first n bytes of the sealed batch.
func (b *batch) appendFrom(dst []byte, n int) []byte {
	if n == b.size {
		return dst
	}
	for _, buf := range b.bufs {
		skip := min(n, len(buf))
		dst = append(dst, buf[skip:]...)
		n -= skip
	}
	return dst
}

// letGo unpins the batch's streams and keeps its buffer for the queue. With the lock held.
func (c *link) letGo(b *batch) {
	for i, p := range b.parts {
		p.st.out.pinned--
		if p.st.out.pinned == 0 && p.st.finished {
			p.st.signal()
		}
		b.parts[i] = part{}
	}
	clear(b.bufs)
	b.parts, b.bufs, b.size = b.parts[:0], b.bufs[:0], 0
	if b.small != nil {
		c.w.spare, b.small = b.small[:0], nil
	}
}
