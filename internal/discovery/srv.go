package discovery

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ganglion/internal/hostport"
)

// atOnce is how many targets of SRV records are looked up at the same time: each is a packet to the same DNS server.
const atOnce = 16

// srvSource is the targets of SRV records.
type srvSource struct {
	resolver resolver
	name     string
	protocol string

	// known are the addresses that each target had last. One whose lookup fails keeps them: that the others could be asked
	// is no reason to lose its node.
	known map[string][]netip.Addr
}

// String implements source.
func (s *srvSource) String() string { return "srv " + s.name }

// target is what was found out about one target.
type target struct {
	name      string
	addresses []netip.Addr
	ttl       time.Duration
	err       error
}

// look implements source.
func (s *srvSource) look(ctx context.Context) (found, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	servers, err := s.resolver.servers()
	if err != nil {
		return found{}, err
	}
	a, err := s.resolver.services(ctx, &servers, s.name)
	if err != nil {
		return found{}, err
	}
	services := preferred(a.services)
	if len(services) == 1 && services[0].target == "." { // RFC 2782: the service is decidedly not there
		return found{}, failf(Empty, "%q says that there is no such service", s.name)
	}
	if len(services) > maxNodes {
		return found{}, tooMany(s.String(), len(services))
	}
	targets := s.targets(ctx, &servers, services, a.glue)
	return s.collect(services, targets, seconds(a.ttl))
}

// preferred are the services with the lowest priority number. The others are for when these are unreachable, which is not
// for DNS to tell: a pool that mixed them would send them traffic all the time.
func preferred(services []service) []service {
	lowest := slices.MinFunc(services, func(a, b service) int { return int(a.priority) - int(b.priority) }).priority
	return slices.DeleteFunc(slices.Clone(services), func(s service) bool { return s.priority != lowest })
}

// targets looks up each target once, unless its addresses came along.
func (s *srvSource) targets(ctx context.Context, servers *servers, services []service, glue map[string]glued) map[string]*target {
	targets := make(map[string]*target, len(services))
	slots := make(chan struct{}, atOnce)
	var asking sync.WaitGroup
	for _, svc := range services {
		if targets[svc.target] != nil {
			continue
		}
		t := &target{name: svc.target}
		targets[svc.target] = t
		if g := glue[svc.target]; len(g.addresses) > 0 {
			if t.addresses = s.resolver.family.pick(g.addresses); len(t.addresses) > 0 {
				t.ttl = seconds(g.ttl)
				continue
			}
		}
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			t.addresses, t.ttl, t.err = s.resolver.addressesOf(ctx, servers, t.name)
		})
	}
	asking.Wait()
	return targets
}

// collect puts the nodes together, and remembers what is known of the targets.
func (s *srvSource) collect(services []service, targets map[string]*target, ttl time.Duration) (found, error) {
	var flaw error
	known := make(map[string][]netip.Addr, len(targets))
	for _, svc := range services { // in the order of the answer, so that the first flaw is the same each time
		t := targets[svc.target]
		if t.err != nil && flaw == nil {
			flaw = failf(kindOf(t.err), "target %q of %q: %v", t.name, s.name, t.err)
		}
		if t.err != nil && !absent(t.err) {
			t.addresses = s.known[t.name]
		} else if t.err == nil {
			ttl = min(ttl, t.ttl)
		}
		if len(t.addresses) > 0 {
			known[t.name] = t.addresses
		}
	}
	var nodes []Node
	weigh := weights(services)
	for _, svc := range services {
		for _, ip := range targets[svc.target].addresses {
			nodes = append(nodes, Node{Address: hostport.Join(ip, svc.port), Weight: weigh(svc.weight), Protocol: s.protocol})
		}
	}
	switch {
	case len(nodes) > maxNodes:
		return found{}, tooMany(s.String(), len(nodes))
	case len(nodes) == 0 && flaw != nil:
		return found{}, flaw
	case len(nodes) == 0:
		return found{}, failf(Empty, "no target of %q has an address", s.name)
	}
	s.known = known
	return found{nodes: byAddress(nodes), ttl: ttl, flaw: flaw}, nil
}

// weights maps the weights of SRV records, 0 to 65535, to ours. 0 is the least share there, not none as it is with us, so it
// becomes 1; beside others, which are stretched to the largest weight that we have, that is little. Equal ones are 1, and
// those that fit and have no 0 among them stay.
func weights(services []service) func(uint16) int {
	heavier := func(a, b service) int { return int(a.weight) - int(b.weight) }
	most, least := int(slices.MaxFunc(services, heavier).weight), int(slices.MinFunc(services, heavier).weight)
	switch {
	case most == least:
		return func(uint16) int { return 1 }
	case least > 0 && most <= maxWeight:
		return func(w uint16) int { return int(w) }
	default:
		return func(w uint16) int { return max(1, int(w)*maxWeight/most) }
	}
}
