package gateway

import (
	"net"
	"syscall"
	"unsafe"
)

// idleness tells whether a connection that carries nothing has been as silent as it should be. A node that sends bytes which
// nobody asked for, such as a second answer to the last question, would else have them taken for the answer to the next one,
// which is another caller's. A node that has hung up is found the same way, before a request is sent in vain.
type idleness struct {
	raw   syscall.RawConn // nil = cannot be asked
	look  func(fd uintptr)
	noisy bool
}

// watch readies i for c. It makes the closure once, since every one is allocated.
func (i *idleness) watch(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		i.raw, i.look = raw, i.peek
	}
}

// spoke reports whether something has come, be it the end.
func (i *idleness) spoke() bool {
	if i.raw == nil {
		return false
	}
	i.noisy = true // what cannot be looked at is closed
	_ = i.raw.Control(i.look)
	return i.noisy
}

// peek asks the socket without taking anything out of it. The call never blocks, so that the scheduler is not told of it.
func (i *idleness) peek(fd uintptr) {
	var b [1]byte
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	i.noisy = errno != syscall.EAGAIN
}
