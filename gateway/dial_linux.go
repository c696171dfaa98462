package gateway

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unackedMost is how long the kernel repeats what a node's kernel does not confirm, before the connection is broken: where the link
// is cut, or the host gone, it would do so for a quarter of an hour. It is as long as the hop waits for a body to make progress.
const unackedMost = 10_000 // ms

// boundSilence readies a socket before it is connected. A kernel that does not know the option goes without.
func boundSilence(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unackedMost)
	})
}
