package discovery

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver asks DNS for what a name stands for.
type resolver struct {
	conf   string   // the file that says whom to ask
	fixed  []string // asked instead, with names as they are; nil = those of the file
	family Family
}

// Family says which addresses of a name are taken.
type Family string

// The families.
const (
	// AutoFamily takes the IPv4 addresses, and those of IPv6 if there are none: a node that has both is one node.
	AutoFamily Family = "auto"
	IPv4       Family = "ipv4"
	IPv6       Family = "ipv6"
	// BothFamilies takes all: for records where each node has one of the two.
	BothFamilies Family = "both"
)

// families are the questions that a family asks, in order; more than the first is asked only if it had no answer, or for
// both.
func (f Family) questions() []dnsmessage.Type {
	switch f {
	case IPv4:
		return []dnsmessage.Type{dnsmessage.TypeA}
	case IPv6:
		return []dnsmessage.Type{dnsmessage.TypeAAAA}
	default:
		return []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
	}
}

// pick takes the addresses of a family out of mixed ones.
func (f Family) pick(mixed []netip.Addr) []netip.Addr {
	six := func(ip netip.Addr) bool { return ip.Is6() }
	four := func(ip netip.Addr) bool { return ip.Is4() }
	switch f {
	case IPv4:
		return slices.DeleteFunc(slices.Clone(mixed), six)
	case IPv6:
		return slices.DeleteFunc(slices.Clone(mixed), four)
	case BothFamilies:
		return mixed
	default:
		if slices.ContainsFunc(mixed, four) {
			return slices.DeleteFunc(slices.Clone(mixed), six)
		}
		return mixed
	}
}

// servers reads anew whom to ask: the file changes with the network of the host.
func (r *resolver) servers() (servers, error) {
	if r.fixed == nil {
		return readServers(r.conf)
	}
	s := defaultServers()
	s.addresses = r.fixed
	return s, nil
}

// candidates are the absolute names that name may mean. Servers of our own choice serve names of our own choice: the search
// list, which belongs to the system's, is not for them.
func (r *resolver) candidates(s *servers, name string) []string {
	if r.fixed != nil {
		return []string{strings.TrimSuffix(name, ".") + "."}
	}
	return s.candidates(name)
}

// addresses are those of a name, with the time for which they are good.
func (r *resolver) addresses(ctx context.Context, s *servers, name string) ([]netip.Addr, time.Duration, error) {
	var last error
	for _, candidate := range r.candidates(s, name) {
		found, ttl, err := r.addressesOf(ctx, s, candidate)
		if err == nil {
			return found, ttl, nil
		}
		last = err
		if !absent(err) {
			// A name of the search list that could not be asked ends it: a later one may be somebody else's.
			return nil, 0, err
		}
	}
	return nil, 0, last
}

// absent reports whether DNS knows that there is nothing: another name of the search list may have it.
func absent(err error) bool {
	k := kindOf(err)
	return k == NotFound || k == Empty
}

// addressesOf are those of an absolute name.
func (r *resolver) addressesOf(ctx context.Context, s *servers, name string) ([]netip.Addr, time.Duration, error) {
	var found []netip.Addr
	least := time.Duration(-1)
	for _, kind := range r.family.questions() {
		a, err := s.resolve(ctx, name, kind)
		if err != nil {
			return nil, 0, err
		}
		if len(a.addresses) > 0 {
			found = append(found, a.addresses...)
			if ttl := seconds(a.ttl); least < 0 || ttl < least {
				least = ttl
			}
		}
		if len(found) > 0 && r.family != BothFamilies {
			break
		}
	}
	if len(found) == 0 {
		return nil, 0, failf(Empty, "%q has no address", name)
	}
	return found, least, nil
}

// services are the SRV records of a name.
func (r *resolver) services(ctx context.Context, s *servers, name string) (answer, error) {
	var last error
	for _, candidate := range r.candidates(s, name) {
		a, err := s.resolve(ctx, candidate, dnsmessage.TypeSRV)
		if err == nil && len(a.services) == 0 {
			err = failf(Empty, "%q has no SRV record", candidate)
		}
		if err == nil {
			return a, nil
		}
		last = err
		if !absent(err) {
			return answer{}, err
		}
	}
	return answer{}, last
}

// resolve asks for an absolute name, and on for what it is an alias of where the answer does not say. An answer without
// records is none of its errors; a name that does not exist is.
func (s *servers) resolve(ctx context.Context, name string, kind dnsmessage.Type) (answer, error) {
	asked, chain, ttl := name, 0, uint32(1<<31-1)
	for {
		q, err := newQuestion(asked, kind)
		if err != nil {
			return answer{}, err
		}
		a, err := s.ask(ctx, q)
		if err != nil {
			return answer{}, err
		}
		if a.code == dnsmessage.RCodeNameError {
			return answer{}, failf(NotFound, "%q does not exist (NXDOMAIN)", name)
		}
		chain += a.chain
		ttl = min(ttl, a.ttl)
		a.ttl = ttl
		if a.chain == 0 || len(a.addresses) > 0 || len(a.services) > 0 {
			return a, nil
		}
		if chain > maxChain {
			return answer{}, failf(Malformed, "more than %d aliases lead from %q", maxChain, name)
		}
		asked = a.last
	}
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
