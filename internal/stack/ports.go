package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
)

// Free ports are sought below the range from which systems take the local ports of outgoing connections (from 32768 on
// Linux): a node that is killed and restarted must find its port still free, whatever load there is in between.
const (
	lowestPort  = 15000
	highestPort = 32000
)

// ErrPortInUse is what Start's error is when addresses it was given are taken; the error names them all, in one line.
var ErrPortInUse = errors.New("in use")

// choosePorts settles all addresses, and makes sure that those given are free.
func (s *Stack) choosePorts() error {
	if len(s.cfg.NodeAddresses) == 0 {
		s.cfg.NodeAddresses = make([]string, s.cfg.Nodes)
	} else {
		s.cfg.NodeAddresses = slices.Clone(s.cfg.NodeAddresses)
	}
	s.http, s.grpc, s.admin = s.cfg.HTTP, s.cfg.GRPC, s.cfg.Admin
	if len(s.cfg.NodeGRPC) == 0 {
		s.nodeGRPC = make([]string, len(s.cfg.NodeAddresses))
	} else if s.nodeGRPC = slices.Clone(s.cfg.NodeGRPC); len(s.nodeGRPC) != len(s.cfg.NodeAddresses) {
		return fmt.Errorf("%d gRPC addresses for %d nodes: want one for each, or none", len(s.nodeGRPC), len(s.cfg.NodeAddresses))
	}
	wanted := []want{{"gateway", &s.http}, {"gateway's gRPC port", &s.grpc}, {"gateway's admin port", &s.admin}}
	for i := range s.cfg.NodeAddresses {
		who := fmt.Sprintf("node-%d", i+1)
		wanted = append(wanted, want{who, &s.cfg.NodeAddresses[i]}, want{who + "'s gRPC port", &s.nodeGRPC[i]})
	}

	var taken []string
	for _, w := range wanted {
		ln, err := hold(*w.address)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			_, port, _ := net.SplitHostPort(*w.address)
			taken = append(taken, fmt.Sprintf("port %s (%s, %s)", port, w.who, *w.address))
		case err != nil:
			return fmt.Errorf("%s: %w", w.who, err)
		default:
			defer ln.Close() // all are held until all are chosen
			*w.address = ln.Addr().String()
		}
	}
	if len(taken) > 0 {
		return fmt.Errorf("%w: %s", ErrPortInUse, strings.Join(taken, ", "))
	}
	return nil
}

// FreeAddresses are so many addresses of the loopback that nobody listens on, chosen as those of a Stack are.
func FreeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		ln, err := holdFree()
		if err != nil {
			return nil, err
		}
		defer ln.Close() // all are held until all are chosen
		addresses[i] = ln.Addr().String()
	}
	return addresses, nil
}

// want is an address that somebody is to have; an empty one is chosen.
type want struct {
	who     string
	address *string
}

// hold listens on address, or on some free port of the loopback if it is empty.
func hold(address string) (net.Listener, error) {
	if address == "" {
		return holdFree()
	}
	return net.Listen("tcp", address)
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
