package rpcwire

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/encoding"

	"ganglion/internal/memory"
)

// inflating is what all messages of the program may take together while they are being inflated: four of the largest that servers
// take by default. Whoever gets a message counts it from there on. It is no key of any file because grpc knows one
// set of compressors for a whole program.
const inflating = 256 << 20

// bounded is a compressor that inflates messages within an account. A thousand bytes may become a million, so that a few calls
// of small messages would take together what no limit of one message bounds. A message that finds no room fails its call, and
// the others go on.
type bounded struct {
	encoding.Compressor
	room *memory.Account
}

// Decompress implements encoding.Compressor.
func (b bounded) Decompress(r io.Reader) (io.Reader, error) {
	inner, err := b.Compressor.Decompress(r)
	if err != nil {
		return nil, err
	}
	return &counted{inner: inner, room: b.room}, nil
}

// counted is a reader whose bytes count until it is closed, which grpc does once it has read the message.
type counted struct {
	inner io.Reader
	room  *memory.Account
	left  int64 // reserved and not read yet
	held  int64
}

// inflateStep is how much is reserved at a time, so that the account is not written for every few bytes of every call.
const inflateStep = 64 << 10

var errNoRoom = errors.New("no memory to inflate the message right now")

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	if c.left <= 0 && len(p) > 0 {
		if !c.room.Reserve(inflateStep) {
			return 0, fmt.Errorf("%w: all that are being inflated may take %d MiB together; try again", errNoRoom, c.room.Limit>>20)
		}
		c.left += inflateStep
		c.held += inflateStep
	}
	n, err := c.inner.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// Close implements io.Closer.
func (c *counted) Close() error {
	c.room.Release(c.held)
	c.held, c.left = 0, 0
	if inner, ok := c.inner.(io.Closer); ok {
		return inner.Close()
	}
	return nil
}
