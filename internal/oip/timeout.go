package oip

import (
	"strconv"
	"time"
)

// TimeoutName is the request header in which whoever asks says how long it waits for the answer, in whole milliseconds: a
// client to an edge, and an edge to a node that it reaches over plain HTTP, where neither the hop nor gRPC carries a
// deadline. It is written as fasthttp and net/http bring names into form.
//
// The unit is in the name because headers called "timeout" are read as seconds by some and as milliseconds by others. It is a
// time from now and no moment, since clocks differ.
const TimeoutName = "X-Request-Timeout-Ms"

// ParseTimeout reads a value of that header. The error is for the client.
func ParseTimeout(value []byte) (time.Duration, error) {
	const longest = uint64(1<<63-1) / uint64(time.Millisecond)
	ms, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil || ms == 0 {
		return 0, invalid("%s is %s, expected a whole number of milliseconds from 1", TimeoutName, quoted(value))
	}
	return time.Duration(min(ms, longest)) * time.Millisecond, nil
}

// AppendTimeout appends the value for what is left of d: rounded up, since a wait of nothing is none.
func AppendTimeout(dst []byte, d time.Duration) []byte {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return strconv.AppendInt(dst, max(1, int64(ms)), 10)
}
