package rpc

import (
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ganglion/internal/memory"
)

// smallBody is not counted against the budget, as in internal/httpserver: the limit of streams bounds what small ones can
// take together, and the counter would be written by every core for every call.
const smallBody = 16 << 10

// bodies is the memory that received messages take until their calls are answered, within a budget for the whole server.
type bodies struct {
	memory.Account
	refused atomic.Uint64
}

// hold counts a message of n bytes until release is called.
func (b *bodies) hold(n int) (release func(), err error) {
	if n <= smallBody {
		return func() {}, nil
	}
	if !b.Reserve(int64(n)) {
		b.refused.Add(1)
		return nil, errNoRoom
	}
	return func() { b.Release(int64(n)) }, nil
}

// full reports whether the budget is spent: new calls are then refused before their messages are read.
func (b *bodies) full() bool { return b.Used() >= b.Limit }

// errNoRoom is what a client is told whose message finds no room.
var errNoRoom = status.Error(codes.Unavailable, "no memory for the message right now (server.max_body_memory); try again")
