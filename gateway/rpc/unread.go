package rpc

import (
	"runtime"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// unread is the memory of large answers that grpc has and clients have not read: a slow reader can put that off for as long
// as it likes, long after the exchange has ended.
type unread struct {
	budget int64
	used   atomic.Int64
}

// errUnread is what a client is told whose answer finds no room.
var errUnread = status.Error(codes.Unavailable, "answers that clients have not read take more than upstream.max_answer_memory; try again")

// takeAbove is the size from which an answer's memory is taken over instead of being copied: below, the copy into a pooled
// buffer costs less than the garbage, and fits in what grpc buffers for a call anyway.
const takeAbove = 64 << 10

// bodyOf is an answer's body as grpc sends it, some time after the handler has returned.
func (u *unread) bodyOf(a Answer) (mem.Buffer, error) {
	n := int64(len(a.Body()))
	if n < takeAbove {
		return mem.Copy(a.Body(), mem.DefaultBufferPool()), nil
	}
	if u.used.Add(n) > u.budget {
		u.used.Add(-n)
		return nil, errUnread
	}
	d := &debt{to: u, bytes: n}
	l := &lender{debt: d}
	// grpc may let a buffer go without a word when a connection breaks: then the garbage collector says so.
	runtime.AddCleanup(l, (*debt).pay, d)
	body := a.TakeBody()
	return mem.NewBuffer(&body, l), nil
}

// debt is what one answer owes the budget, paid once.
type debt struct {
	to    *unread
	bytes int64
	paid  atomic.Bool
}

func (d *debt) pay() {
	if d.paid.CompareAndSwap(false, true) {
		d.to.used.Add(-d.bytes)
	}
}

// lender is a pool that hears when its one buffer comes back, and leaves it to the garbage collector.
type lender struct {
	mem.NopBufferPool
	debt *debt
}

// Put implements mem.BufferPool.
func (l *lender) Put(*[]byte) { l.debt.pay() }
