package hop

import (
	"crypto/tls"
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

// delivered says how many bytes the peer's kernel has confirmed, and how many more this one holds for it. It is asked of any
// connection over TCP, be it wrapped into TLS; s may be nil.
func (*socket) delivered(nc net.Conn) (acked, held uint64, known bool) {
	nc = unwrap(nc)
	if encrypted, ok := nc.(*tls.Conn); ok {
		nc = unwrap(encrypted.NetConn())
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return 0, 0, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		info, failed := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		queued, failedToo := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
		if failed == nil && failedToo == nil {
			acked, held, known = info.Bytes_acked, uint64(max(queued, 0)), true
		}
	})
	return acked, held, known && err == nil
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
