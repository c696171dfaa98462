package discovery

import (
	"context"
	"time"

	"ganglion/internal/hostport"
)

// lookupTime bounds one look at DNS, all servers and tries together. Nobody waits for it: it only must not last for ever.
const lookupTime = 30 * time.Second

// hostSource is the addresses of a name, each a node on the same port.
type hostSource struct {
	resolver resolver
	name     string // of the host
	port     uint16
	text     string
	protocol string
}

// String implements source.
func (s *hostSource) String() string { return "dns " + s.text }

// look implements source.
func (s *hostSource) look(ctx context.Context) (found, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	servers, err := s.resolver.servers()
	if err != nil {
		return found{}, err
	}
	addresses, ttl, err := s.resolver.addresses(ctx, &servers, s.name)
	if err != nil {
		return found{}, err
	}
	nodes := make([]Node, 0, len(addresses))
	for _, ip := range addresses {
		nodes = append(nodes, Node{Address: hostport.Join(ip, s.port), Weight: 1, Protocol: s.protocol})
	}
	if len(nodes) > maxNodes {
		return found{}, tooMany(s.String(), len(nodes))
	}
	return found{nodes: byAddress(nodes), ttl: ttl}, nil
}

func tooMany(what string, n int) error {
	return failf(TooMany, "%s has %d addresses: accepted are up to %d", what, n, maxNodes)
}
