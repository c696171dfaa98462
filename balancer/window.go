package balancer

import (
	"sync/atomic"
	"time"
)

// breakerBuckets is how finely the window slides: in tenths, so that the rate is at most a tenth of a window behind.
const breakerBuckets = 10

// bucketOf is a bucket's part of the window, rounded up so that there are never more than breakerBuckets of them.
func bucketOf(span time.Duration) time.Duration {
	return (span + breakerBuckets - 1) / breakerBuckets
}

// window counts what happened of late, as gobreaker does, but without a lock: in buckets, of which the one of now and those before
// it that belong to the window count. Any goroutine may call its methods at any time. Make it with restart.
type window struct {
	bucket  time.Duration                 // how long each is
	began   atomic.Int64                  // when number 0 did
	buckets [breakerBuckets]atomic.Uint64 // number << 32 | count; gobreaker counts in as many bits
}

// number is that of the bucket of now.
func (w *window) number(now time.Duration) uint64 {
	return uint64(max(0, int64(now)-w.began.Load()) / int64(w.bucket))
}

// restart forgets everything. Buckets are counted from now on, as gobreaker's are from its last change.
func (w *window) restart(now time.Duration) {
	w.began.Store(int64(now))
	for i := range w.buckets {
		w.buckets[i].Store(0)
	}
}

// add counts one. Somebody who is held up for the whole of a window on the way through here counts in a later bucket, or
// takes the place of one: nobody else waits for that.
func (w *window) add(now time.Duration) {
	number := w.number(now)
	b := &w.buckets[number%breakerBuckets]
	for {
		word := b.Load()
		if uint32(word>>32) == uint32(number) {
			b.Add(1)
			return
		}
		if b.CompareAndSwap(word, number<<32|1) { // its last time was a window ago
			return
		}
	}
}

// count is how many there were within the window.
func (w *window) count(now time.Duration) (sum int64) {
	number := w.number(now)
	for back := range min(number+1, breakerBuckets) {
		word := w.buckets[(number-back)%breakerBuckets].Load()
		if uint32(word>>32) == uint32(number-back) {
			sum += int64(uint32(word))
		}
	}
	return sum
}

// row is whether the failures that gobreaker has counted last stand in a row, as far as those need to know who could break it.
type row struct {
	failures atomic.Uint64 // that were put to gobreaker
	broken   atomic.Uint64 // how many of them had been when a success was put to it last
}

// extend notes that a failure was put to gobreaker. Not before: a success that broke the row in between would come to gobreaker too
// early, and none would after it.
func (r *row) extend() { r.failures.Add(1) }

// stands reports whether a success has to be put to gobreaker, since none was after the last failure. The caller puts it and
// then says so to end; in between others may put theirs, so that none of them relies on one that is still on its way.
func (r *row) stands() (failures uint64, yes bool) {
	failures = r.failures.Load()
	return failures, failures != r.broken.Load()
}

// end notes that a success was put to gobreaker when there had been so many failures. One that is late makes the row look
// unbroken, which costs the next success a way.
func (r *row) end(failures uint64) { r.broken.Store(failures) }
