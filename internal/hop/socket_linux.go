package hop

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent is how many bytes the kernel takes beyond those that are on their way. It would take 4 MiB, which a small frame then
// stood behind: 3 ms at 10 Gb/s. Less than 512 KiB and sending a body of 600 KB costs more CPU time.
const unsent = 512 << 10

// socket writes without ever blocking, which net.Conn cannot. It is used by one writer at a time.
type socket struct {
	raw     syscall.RawConn
	attempt func(fd uintptr) bool // attempt is s.write, made once: a method value allocates
	bufs    [][]byte
	n       int
	err     error
}

// newSocket returns nil when nc is not a socket of the kernel's (TLS, a pipe): then only the flusher writes, and may block.
func newSocket(nc net.Conn) *socket {
	var conn syscall.Conn
	switch nc := unwrap(nc).(type) { // exact types: something that embeds one of them may have a Write of its own
	case *net.TCPConn:
		conn = nc
	case *net.UnixConn:
		conn = nc
	default:
		return nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	// Ignored where it does not work, as on a Unix socket: it bounds a delay, nothing depends on it.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
	s := &socket{raw: raw}
	s.attempt = s.write
	return s
}

// tryWrite hands bufs to the kernel and returns how many bytes it took, which may be none. An error is a broken connection.
func (s *socket) tryWrite(bufs [][]byte) (int, error) {
	s.bufs, s.n, s.err = bufs, 0, nil
	err := s.raw.Write(s.attempt)
	s.bufs = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

// write is one attempt; it returns true because the poller is never to wait for a better moment.
func (s *socket) write(fd uintptr) bool {
	for {
		var n int
		var err error
		if len(s.bufs) == 1 {
			n, err = unix.Write(int(fd), s.bufs[0])
		} else {
			n, err = unix.Writev(int(fd), s.bufs)
		}
		switch {
		case err == nil:
			s.n = n
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			// Full: the flusher waits for room.
		default:
			s.err = err
		}
		return true
	}
}
