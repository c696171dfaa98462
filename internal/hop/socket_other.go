//go:build !linux

package hop

import "net"

// socket is what other systems do without: there the flusher does all writing, and may block.
type socket struct{}

func newSocket(net.Conn) *socket { return nil }

func (*socket) tryWrite([][]byte) (int, error) { panic("BUG: no socket to write to") }
