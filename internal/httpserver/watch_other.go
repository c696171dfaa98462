//go:build !linux

package httpserver

import "syscall"

// hasHungUp reports whether the peer of a socket has ended its direction of the connection. Bytes that nobody has read yet
// hide that.
func hasHungUp(fd uintptr) bool {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n == 0 && err == nil
}
