package rpc

import (
	"runtime"
	"sync/atomic"

	"google.golang.org/grpc/mem"

	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// budget bounds what all calls hold of one kind of memory.
type budget struct {
	of    string // what is bounded, for messages
	limit int64
	used  atomic.Int64
}

func (b *budget) take(bytes int64) error {
	if b.used.Add(bytes) > b.limit {
		b.used.Add(-bytes)
		return oip.Refusef(oip.Full, "%s take more than %s; try again", b.of, conf.Size(b.limit))
	}
	return nil
}

func (b *budget) give(bytes int64) { b.used.Add(-bytes) }

// smallAnswer is not counted: it fits in what grpc buffers for a call anyway.
const smallAnswer = 16 << 10

// lend returns a buffer for an answer of at most so many bytes. The budget has them until grpc has sent the answer or given it
// up, which a slow reader can put off for as long as it likes.
func (b *budget) lend(bytes int) (*[]byte, mem.BufferPool, error) {
	pool := mem.DefaultBufferPool()
	if bytes <= smallAnswer {
		return pool.Get(bytes), pool, nil
	}
	if err := b.take(int64(bytes)); err != nil {
		return nil, nil, err
	}
	d := &debt{budget: b, bytes: int64(bytes)}
	l := &lender{BufferPool: pool, debt: d}
	// grpc may let a buffer go without a word when a connection breaks: then the garbage collector says so.
	runtime.AddCleanup(l, (*debt).pay, d)
	return pool.Get(bytes), l, nil
}

// debt is what an answer owes the budget, paid once.
type debt struct {
	budget *budget
	bytes  int64
	paid   atomic.Bool
}

func (d *debt) pay() {
	if d.paid.CompareAndSwap(false, true) {
		d.budget.give(d.bytes)
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
