package rpc

import (
	"google.golang.org/grpc/mem"

	"ganglion/internal/conf"
	"ganglion/internal/memory"
	"ganglion/internal/oip"
	"ganglion/internal/rpcwire"
)

// budget bounds what all calls hold of one kind of memory.
type budget struct {
	of string // what is bounded, for messages
	memory.Account
}

func (b *budget) take(bytes int64) error {
	if !b.Reserve(bytes) {
		return oip.Refusef(oip.Full, "%s take more than %s; try again", b.of, conf.Size(b.Limit))
	}
	return nil
}

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
	return pool.Get(bytes), rpcwire.Lend(pool, &b.Account, int64(bytes)), nil
}
