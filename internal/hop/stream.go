package hop

import (
	"math"
	"time"
)

// never is an instant on a link's clock that does not come.
const never = time.Duration(math.MaxInt64)

// stream is one exchange as the connection sees it, embedded in the client's Exchange and the server's task. Everything in it
// is guarded by the link's mutex, except the memory of a body while the stream is pinned (outgoing) or receiving (incoming).
type stream struct {
	id       uint64        // 0 until its request is queued
	x        *Exchange     // client: whose it is
	task     *task         // server: whose it is
	deadline time.Duration // on the link's clock; never when there is none
	touched  time.Duration // when it began or was last sent of, or a body last made progress

	out outgoing
	in  incoming

	// finished says that the connection is done with the stream; wake tells its waiter, but not before the writer has let go
	// of its memory.
	finished bool
	err      error
	wake     chan struct{} // room for one
}

// outgoing is the message that goes out on a stream.
type outgoing struct {
	body     []byte
	off      int   // bytes of it that have been taken for writing
	window   int64 // bytes that the peer will still take
	pending  bool  // the head has not been queued
	complete bool  // its last frame has been taken for writing
	endAt    uint64
	pinned   int // chunks of it in the batch being written

	queued     bool // in the ring of streams that have something to send and may
	next, prev *stream
}

// incoming is the message that comes in on a stream.
type incoming struct {
	started   bool  // its head is there
	large     bool  // chunks of it are to come, and it is counted in the link's larges
	receiving bool  // the reader is filling mem or ring without holding the lock; mem is then in its hands
	want, got int64 // bytes of body announced, arrived
	credit    int64 // bytes that the peer may still send
	reserved  int64 // bytes of the budget
	mem       body

	streamed bool   // the caller reads from ring, into which the body goes instead of mem
	ring     []byte // the byte that is number n of the body is at n modulo its length
	taken    int64  // bytes that the caller has read
	granted  int64  // of these, bytes that the peer has been told of
}

// maxCredit is more than any body has; sums of grants stay far from overflowing.
const maxCredit = 1 << 50

// check says whether the peer may send this chunk.
func (in *incoming) check(h frameHeader) error {
	n := int64(h.length)
	switch {
	case !in.started:
		return violation("chunk on stream %d before its head", h.id)
	case in.got+n > in.want:
		return violation("stream %d has more than the %d bytes it announced", h.id, in.want)
	case n > in.credit:
		return violation("stream %d has %d bytes more than it was granted", h.id, n-in.credit)
	case h.ends() != (in.got+n == in.want):
		return violation("stream %d has %d of %d bytes with its end flag %v", h.id, in.got+n, in.want, h.ends())
	}
	return nil
}

// begin readies a stream for its next exchange. Wake and the owner stay.
func (st *stream) begin(now, deadline time.Duration) {
	st.id, st.deadline, st.touched = 0, deadline, now
	st.out, st.in = outgoing{endAt: math.MaxUint64}, incoming{}
	st.finished, st.err = false, nil
	select {
	case <-st.wake: // a streamed body may have left one behind
	default:
	}
}

// finish gives the stream back to its waiter, now or when the writer lets go.
func (st *stream) finish(err error) {
	st.finished, st.err = true, err
	if st.out.pinned == 0 {
		st.signal()
	}
}

// signal wakes the waiter, or lets it pass when it comes to wait.
func (st *stream) signal() {
	select {
	case st.wake <- struct{}{}:
	default: // it has not yet seen the last signal, and looks at the state, not at the count
	}
}

// sendable says whether the writer could take something of the stream.
func (st *stream) sendable() bool {
	return st.out.pending || !st.out.complete && st.out.window > 0
}

// stalled says whether the peer has had nothing done for a body since before: it sends nothing of one that it may send, or
// grants nothing for one that waits.
func (st *stream) stalled(before time.Duration) bool {
	if st.touched > before {
		return false
	}
	// Of the body, not of the message: a handler that works on its answer has neither sent one nor been granted anything.
	waits := !st.out.pending && st.out.off < len(st.out.body) && st.out.window == 0
	missing := st.in.started && st.in.got < st.in.want && st.in.credit > 0
	return waits || missing
}

// ring is the queue of streams that wait for the writer, first come first served.
type ring struct{ first, last *stream }

func (r *ring) empty() bool { return r.first == nil }

func (r *ring) push(st *stream) {
	if st.out.queued {
		return
	}
	st.out.queued, st.out.prev, st.out.next = true, r.last, nil
	if r.last == nil {
		r.first = st
	} else {
		r.last.out.next = st
	}
	r.last = st
}

func (r *ring) pop() *stream {
	st := r.first
	r.remove(st)
	return st
}

func (r *ring) remove(st *stream) {
	if !st.out.queued {
		return
	}
	if st.out.prev == nil {
		r.first = st.out.next
	} else {
		st.out.prev.out.next = st.out.next
	}
	if st.out.next == nil {
		r.last = st.out.prev
	} else {
		st.out.next.out.prev = st.out.prev
	}
	st.out.queued, st.out.prev, st.out.next = false, nil, nil
}
