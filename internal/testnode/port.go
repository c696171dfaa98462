package testnode

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// keepPort takes a loopback port that the kernel chose, without listening on it, and returns what gives it back. While a node is
// stopped, nobody else who asks the kernel for a port is given its own: tests of other packages ask for many at the same time, and
// one of them would answer in its place.
func keepPort() (address string, giveBack func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	syscall.CloseOnExec(fd)
	giveBack = func() { _ = syscall.Close(fd) } // there is nothing in it that could be lost
	// With this option, which net.Listen sets as well, the port can be listened on beside.
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var name syscall.Sockaddr
	if err == nil {
		name, err = syscall.Getsockname(fd)
	}
	if err != nil {
		giveBack()
		return "", nil, err
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port), giveBack, nil
}

// listen takes a port for as long as the node is there, and listens on it.
func (n *Node) listen() (net.Listener, error) {
	address, giveBack, err := keepPort()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil { // only Linux lets two sockets have it
		giveBack()
		return net.Listen("tcp", "127.0.0.1:0")
	}
	n.t.Cleanup(giveBack)
	return listener, nil
}
