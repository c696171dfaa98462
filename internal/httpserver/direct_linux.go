//go:build !race

package httpserver

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// direct reads and writes a socket without telling the scheduler. A call of the net package tells it before and after, so that
// it may give the processor away if the call takes long; a call that cannot block and copies little never does, but has the
// runtime's monitor thread look every 20 µs whether it has. On a core that is shared with it, that cost a tenth of all CPU time.
//
// The race detector would not see what clients and handlers of a test order by way of a socket, so that it gets the net package.
type direct struct {
	raw         syscall.RawConn
	read, write func(fd uintptr) bool // the methods below, made once: a method value is allocated

	in, out   []byte
	got, sent int
	failed    syscall.Errno
}

// directMost bounds what is written directly: copying it takes the kernel some microseconds.
const directMost = 64 << 10

func (d *direct) open(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	d.raw, d.read, d.write = raw, d.tryRead, d.tryWrite
	return err
}

// readFrom is c.Read.
func (d *direct) readFrom(c *net.TCPConn, p []byte) (int, error) {
	if len(p) == 0 || len(p) > directMost {
		return c.Read(p)
	}
	d.in, d.got, d.failed = p, 0, 0
	err := d.raw.Read(d.read)
	d.in = nil
	switch {
	case err != nil:
		return 0, err
	case d.failed != 0:
		return 0, os.NewSyscallError("read", d.failed)
	case d.got == 0:
		return 0, io.EOF
	}
	return d.got, nil
}

// writeTo is c.Write.
func (d *direct) writeTo(c *net.TCPConn, p []byte) (int, error) {
	if len(p) == 0 || len(p) > directMost {
		return c.Write(p)
	}
	d.out, d.sent, d.failed = p, 0, 0
	err := d.raw.Write(d.write)
	d.out = nil
	switch {
	case err != nil:
		return 0, err
	case d.failed != 0 && !errors.Is(d.failed, syscall.EAGAIN):
		return 0, os.NewSyscallError("write", d.failed)
	case d.sent == len(p):
		return d.sent, nil
	}
	// The socket is full: the rest has to wait, which the net package can.
	n, err := c.Write(p[d.sent:])
	return d.sent + n, err
}

// tryRead reports false when there is nothing to read yet.
func (d *direct) tryRead(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(d.in))), uintptr(len(d.in)))
		switch errno {
		case 0:
			d.got = int(n)
			return true
		case syscall.EAGAIN:
			return false
		case syscall.EINTR:
		default:
			d.failed = errno
			return true
		}
	}
}

// tryWrite tries once.
func (d *direct) tryWrite(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(d.out))), uintptr(len(d.out)))
		switch errno {
		case 0:
			d.sent = int(n)
			return true
		case syscall.EINTR:
		default:
			d.failed = errno
			return true
		}
	}
}
