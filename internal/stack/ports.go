package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
)

// Free ports are sought below the range from which systems take the local ports of outgoing connections (from 32768 on
// Linux): a node that is killed and restarted must find its port still free, whatever load there is in between.
const (
	lowestPort  = 15000
	highestPort = 32000
)

// choosePorts settles all addresses, and makes sure that those given are free.
func (s *Stack) choosePorts() error {
	if len(s.cfg.NodeAddresses) == 0 {
		s.cfg.NodeAddresses = make([]string, s.cfg.Nodes)
	}
	s.http, s.admin = s.cfg.HTTP, s.cfg.Admin
	var held []net.Listener
	defer func() {
		for _, ln := range held {
			_ = ln.Close()
		}
	}()
	settle := func(what string, address *string) error {
		ln, err := hold(*address)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		held = append(held, ln)
		*address = ln.Addr().String()
		return nil
	}
	errs := []error{settle("gateway", &s.http), settle("gateway's admin port", &s.admin)}
	for i := range s.cfg.NodeAddresses {
		errs = append(errs, settle(fmt.Sprintf("node-%d", i+1), &s.cfg.NodeAddresses[i]))
	}
	return errors.Join(errs...)
}

// hold listens on address, or on some free port of the loopback if it is empty.
func hold(address string) (net.Listener, error) {
	if address == "" {
		return holdFree()
	}
	ln, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("port %s is in use (%s): stop what holds it, or choose another", port, address)
	}
	return ln, err
}

func holdFree() (ln net.Listener, err error) {
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if ln, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return ln, nil
		}
	}
	return nil, fmt.Errorf("found no free port in a hundred tries: %w", err)
}
