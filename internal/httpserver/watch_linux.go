package httpserver

import (
	"errors"

	"golang.org/x/sys/unix"
)

// hasHungUp reports whether the peer of a socket has ended its direction of the connection, or all of it. Unlike a look at the
// next byte, this sees past bytes that nobody has read yet.
func hasHungUp(fd uintptr) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(fds[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n > 0 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	}
}
