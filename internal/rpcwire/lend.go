package rpcwire

import (
	"runtime"
	"sync/atomic"

	"google.golang.org/grpc/mem"

	"ganglion/internal/memory"
)

// Lend returns a pool for one buffer that counts for bytes of account, which the caller has reserved. They are released when
// the buffer comes back, and go on to pool with it: when grpc has sent an answer or given it up, which a slow reader can
// put off for as long as it likes, long after the handler has returned.
func Lend(pool mem.BufferPool, account *memory.Account, bytes int64) mem.BufferPool {
	d := &debt{account: account, bytes: bytes}
	l := &lender{BufferPool: pool, debt: d}
	// grpc may let a buffer go without a word when a connection breaks: then the garbage collector says so.
	runtime.AddCleanup(l, (*debt).pay, d)
	return l
}

// debt is what a buffer owes an account, paid once.
type debt struct {
	account *memory.Account
	bytes   int64
	paid    atomic.Bool
}

func (d *debt) pay() {
	if d.paid.CompareAndSwap(false, true) {
		d.account.Release(d.bytes)
	}
}

// lender is a pool that hears when its one buffer comes back.
type lender struct {
	mem.BufferPool
	debt *debt
}

// Put implements mem.BufferPool.
func (l *lender) Put(buffer *[]byte) {
	l.debt.pay()
	l.BufferPool.Put(buffer)
}
