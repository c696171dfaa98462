package hop

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

const (
	// chunkSize is the largest chunk that is sent or accepted: what a large body may get ahead of another, 100 µs at 10 Gb/s. With
	// 64 KiB a body of 600 KB cost the receiver a quarter more CPU time, because each chunk is read in two calls.
	chunkSize = 128 << 10
	// softQueue is the length of the queue from which on messages wait in the ring, where they take no memory: some 250
	// small exchanges, more than one write need carry.
	softQueue = 64 << 10
	// hardQueue is where a peer that causes frames (refusals, confirmations, pongs) and does not read them is given up.
	hardQueue = softQueue + maxWhole + 64<<10
	// inlineRounds is how often a caller writes before the flusher carries on for it: its own frames are in the first, and
	// the second spares the flusher's wake-up when a few frames were queued meanwhile.
	inlineRounds = 2
	// companyWrites is for how many writes a caller yields to others after it has last seen any. When answers come back
	// together the first of their callers is alone for a moment, with the others about to follow.
	companyWrites = 32
)

// writer is the outgoing half of a link, guarded by its mutex; batch and yields belong to whoever has set writing.
type writer struct {
	out     []byte // frames in the order they go out
	spare   []byte // the other buffer of the pair
	rest    []byte // what the kernel did not take of the last batch
	ready   ring   // streams with something to send
	writing bool   // somebody writes, or the flusher has been woken to
	busy    bool   // bytes are on their way to the kernel without the lock
	batch   batch

	taken uint64 // bytes ever taken out of the queue for writing
	sent  uint64 // of these, bytes that the kernel has

	company int  // writes for which others count as being about, after more than one stream was open
	yields  bool // the writer is to yield first

	frames, writes uint64
}

// claim makes the caller the writer if there is something to write and nobody does. With the lock held; who gets true calls
// write after releasing it.
func (c *link) claim() bool {
	w := &c.w
	if w.writing || c.severed || len(w.out) == 0 && w.ready.empty() {
		return false
	}
	w.writing = true
	w.company = max(w.company-1, 0)
	if c.streams.used > 1 {
		w.company = companyWrites
	}
	w.yields = w.company > 0
	if c.sock == nil {
		c.wakeFlusher()
		return false
	}
	return true
}

// poke is claim for the reading goroutine, which must not spend its time on writing: the flusher does it.
func (c *link) poke() {
	if c.claim() {
		c.wakeFlusher()
	}
}

// wakeFlusher hands the writer's role over. Only the writer does, so there is room in the channel.
func (c *link) wakeFlusher() { c.wake <- struct{}{} }

// yield lets other exchanges that could run queue their frames first, so that one write carries them all. It also brings
// exchanges into step: those whose requests went out together come back together, and find each other at the next yield. Where
// nothing else can run it costs a look at the run queues, and with idle processors the wake-up of one; so a caller that has
// been alone lately writes at once. docs/hop.md has the figures.
func (c *link) yield() {
	if c.w.yields {
		runtime.Gosched()
	}
}

// write is the writer's work when a caller does it. It never blocks, and hands over to the flusher what it does not get done.
func (c *link) write() {
	c.yield()
	c.mu.Lock()
	defer c.mu.Unlock()
	for range inlineRounds {
		if !c.writeBatch() {
			return
		}
		if len(c.w.rest) > 0 {
			break
		}
	}
	c.wakeFlusher()
}

// writeBatch takes what is queued and hands it to the kernel, without waiting for room. It returns false when the caller is
// no longer the writer, because all is written or the connection is broken. With the lock held, which it releases for the
// system call.
func (c *link) writeBatch() bool {
	w, b := &c.w, &c.w.batch
	if !c.gather(b) {
		return false
	}
	w.busy = true
	c.mu.Unlock()
	b.seal(c.peer.chunkSums != 0)
	n, err := c.sock.tryWrite(b.bufs)
	w.rest = b.appendFrom(w.rest[:0], n)
	c.mu.Lock()
	return c.wrote(n, err)
}

// gather takes the next batch, or leaves the writer's role when there is none. With the lock held.
func (c *link) gather(b *batch) bool {
	if !c.severed {
		c.take(b)
		if b.size > 0 {
			c.w.writes++
			return true
		}
		c.letGo(b)
	}
	c.w.writing = false
	c.quiet.Broadcast()
	return false
}

// wrote accounts for a write of the batch, or of its rest. With the lock held.
func (c *link) wrote(n int, err error) bool {
	w := &c.w
	w.busy = false
	w.sent += uint64(n)
	c.letGo(&w.batch)
	if err == nil {
		return true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrNotReading
	}
	c.sever(fmt.Errorf("cannot write: %w", err))
	w.writing = false
	c.quiet.Broadcast()
	return false
}

// trim lets go of buffers that only bulk or a peer that was slow to read has made large. With the lock held.
func (w *writer) trim() {
	if w.writing {
		return
	}
	if cap(w.rest) > softQueue {
		w.rest = nil
	}
	if cap(w.spare) > softQueue {
		w.spare = nil
	}
}

// flusher is the goroutine that writes when callers may not: it can wait for room in the socket.
func (c *link) flusher() {
	for {
		select {
		case <-c.quit:
			return
		case <-c.wake:
		}
		c.yield()
		c.mu.Lock()
		for c.flush() {
		}
		c.mu.Unlock()
	}
}

// flush is one write of the flusher's; it returns false when the flusher is no longer the writer. With the lock held, which it
// releases for the system call.
func (c *link) flush() bool {
	w := &c.w
	if len(w.rest) == 0 || c.severed {
		if c.sock != nil {
			return c.writeBatch()
		}
		if !c.gather(&w.batch) {
			return false
		}
		c.mu.Unlock()
		w.batch.seal(c.peer.chunkSums != 0)
		w.rest = w.batch.appendFrom(w.rest[:0], 0)
		c.mu.Lock()
		c.letGo(&w.batch)
	}
	w.busy = true
	c.limitWrite()
	c.mu.Unlock()
	n, err := c.nc.Write(w.rest)
	c.mu.Lock()
	w.rest = w.rest[:0]
	if !c.severed {
		c.nc.SetWriteDeadline(time.Time{})
	}
	return c.wrote(n, err)
}

// limitWrite sets how long the peer may read nothing. With the lock held, so that it cannot undo sever.
func (c *link) limitWrite() {
	limit := c.cfg.WriteTimeout
	if c.ended {
		limit = min(limit, lastWords)
	}
	if !c.severed {
		c.nc.SetWriteDeadline(time.Now().Add(limit))
	}
}
