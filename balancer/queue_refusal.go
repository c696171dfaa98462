package balancer

import (
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"
)

// QueueReason is why an exchange got no place at a node although one is fit.
type QueueReason uint8

// The reasons.
const (
	// NoQueue: queue.max is 0, so that nobody may wait.
	NoQueue QueueReason = iota
	// QueueFull: queue.max wait already.
	QueueFull
	// TooLong: it would have to wait for longer than it may, or has time for.
	TooLong
	// TimedOut: it has waited for as long as it may.
	TimedOut
	// Displaced: the queue was full, and somebody of a better priority came.
	Displaced

	queueReasons = iota // how many there are
)

// String is the word used in logs and metrics.
func (r QueueReason) String() string {
	return [queueReasons]string{"no_queue", "queue_full", "wait_too_long", "queue_timeout", "displaced"}[r]
}

// QueueReasons are all there are, in the order of their numbers.
func QueueReasons() []QueueReason {
	all := make([]QueueReason, queueReasons)
	for i := range all {
		all[i] = QueueReason(i)
	}
	return all
}

// QueueError says that an exchange was not let wait, or not any longer. It is an ErrFull, and part of the waiter that got it:
// it is good until that waits again or is reset.
type QueueError struct {
	Reason QueueReason
	// Pool is whose queue it is.
	Pool string
	// Ahead is how many were, or still are, before it.
	Ahead int
	// Expected is for how long one that came now would wait; 0 = nobody can tell.
	Expected time.Duration
	// Waited is for how long it did.
	Waited time.Duration
	// RetryAfter is when trying again makes sense, never the same for all who are refused at once.
	RetryAfter time.Duration
}

// Error implements error.
func (e *QueueError) Error() string {
	text, _ := e.AppendText(nil) // which never fails
	return string(text)
}

// AppendText implements encoding.TextAppender, for logs: of errors none comes as often, or when there is as little time for it.
func (e *QueueError) AppendText(b []byte) ([]byte, error) {
	b = append(b, "every fit node of pool "...)
	b = strconv.AppendQuote(b, e.Pool)
	b = append(b, " is at its limit: "...)
	b = append(b, e.Reason.String()...)
	b = append(b, " with "...)
	b = strconv.AppendInt(b, int64(e.Ahead), 10)
	b = append(b, " waiting"...)
	if e.Expected > 0 {
		b = appendMillis(append(b, ", "...), e.Expected)
		b = append(b, " to wait"...)
	}
	if e.Waited > 0 {
		b = appendMillis(append(b, ", "...), e.Waited)
		b = append(b, " waited"...)
	}
	return b, nil
}

// appendMillis appends a time in whole milliseconds, which is as much as anybody wants to know of a queue.
func appendMillis(b []byte, d time.Duration) []byte {
	b = strconv.AppendInt(b, d.Round(time.Millisecond).Milliseconds(), 10)
	return append(b, "ms"...)
}

// Unwrap makes it an ErrFull.
func (e *QueueError) Unwrap() error { return ErrFull }

const (
	// leastRetryAfter is a second since Retry-After has whole seconds; mostRetryAfter, since nobody knows how busy the nodes
	// will be in a minute.
	leastRetryAfter = time.Second
	mostRetryAfter  = 30 * time.Second
)

// refusal says why the waiter may not wait. It is the waiter's own: at ten times of what a pool can do nine of ten end here.
func (q *queue) refusal(w *Waiter, why QueueReason, ahead int, expected time.Duration) *QueueError {
	// Those who are refused in one moment should not come back in one.
	after := min(max(expected, leastRetryAfter), mostRetryAfter)
	after += rand.N(after)
	w.refusal = QueueError{Reason: why, Pool: q.name, Ahead: ahead, Expected: expected, RetryAfter: after}
	return &w.refusal
}

// queueTally counts what the queue did.
type queueTally struct {
	waited  atomic.Uint64 // were let in
	left    atomic.Uint64 // left before their time was up
	refused [queueReasons]atomic.Uint64
}
