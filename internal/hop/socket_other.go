//go:build !linux

package hop

import "net"

// socket is what other systems do without: there the flusher does all writing, and may block.
type socket struct{}

func newSocket(net.Conn) *socket { return nil }

// delivered: other systems are not asked.
func (*socket) delivered(net.Conn) (acked, held uint64, known bool) { return 0, 0, false }

func (*socket) tryWrite([][]byte) (int, error) { panic("BUG: no socket to write to") }
