package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"ganglion/internal/memory"
	"ganglion/internal/rpcwire"
)

// unread is the memory of large answers that grpc has and clients have not read: a slow reader can put that off for as long
// as it likes, long after the exchange has ended.
type unread struct{ memory.Account }

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
	if !u.Reserve(n) {
		return nil, errUnread
	}
	body := a.TakeBody()
	return mem.NewBuffer(&body, rpcwire.Lend(mem.NopBufferPool{}, &u.Account, n)), nil
}
