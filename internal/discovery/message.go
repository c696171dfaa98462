package discovery

import (
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Bounds of an answer.
const (
	// udpSize is the size of answers that we ask for over UDP: the largest that no path breaks into fragments (DNS flag day
	// 2020). Larger ones come over TCP.
	udpSize = 1232
	// maxChain bounds how many aliases are followed, within one answer and over several. Resolvers give up at 8 to 16.
	maxChain = 8
)

// question is what is asked.
type question struct {
	name dnsmessage.Name
	kind dnsmessage.Type
}

// newQuestion fails for a name that cannot be asked: it or one of its labels is too long.
func newQuestion(name string, kind dnsmessage.Type) (question, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil || len(name) > 254 || strings.Contains(name, "..") {
		return question{}, failf(NotFound, "%q is no name that DNS can hold", name)
	}
	return question{name: n, kind: kind}, nil
}

// appendQuery appends the question as a message. EDNS makes room for larger answers; few servers do not know it.
func (q question) appendQuery(dst []byte, id uint16, edns bool) ([]byte, error) {
	b := dnsmessage.NewBuilder(dst, dnsmessage.Header{ID: id, RecursionDesired: true})
	b.EnableCompression()
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(dnsmessage.Question{Name: q.name, Type: q.kind, Class: dnsmessage.ClassINET}); err != nil {
		return nil, err
	}
	if edns {
		if err := b.StartAdditionals(); err != nil {
			return nil, err
		}
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false); err != nil {
			return nil, err
		}
		if err := b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// answer is what a server said to one question.
type answer struct {
	code      dnsmessage.RCode
	truncated bool
	referral  bool // the server knows nothing and will not find out

	last      string // the name at the end of the chain of aliases, as keys are; the question's own without one
	chain     int    // how many aliases led there
	ttl       uint32 // in seconds, the least of the chain and of the records
	addresses []netip.Addr
	services  []service

	glue map[string]glued // addresses that came along, by name
}

// service is one SRV record.
type service struct {
	priority, weight, port uint16
	target                 string
}

// glued are the addresses of one name.
type glued struct {
	addresses []netip.Addr
	ttl       uint32
}

// errForeign means that a message is no answer to what was asked: somebody else's, a late one, or a forged one.
var errForeign = errors.New("not an answer to the question")

// readAnswer takes an answer apart. It believes what belongs to the question: records of the asked kind whose owner is the
// asked name or the end of the aliases that begin at it. The error is errForeign or about the message's form.
func readAnswer(msg []byte, id uint16, q question) (answer, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.ID != id || !h.Response || h.OpCode != 0 {
		return answer{}, errForeign
	}
	asked, err := p.AllQuestions()
	switch {
	case err != nil:
		return answer{}, errForeign
	case len(asked) == 0 && h.RCode == dnsmessage.RCodeFormatError: // servers that could not read it cannot repeat it
		return answer{code: h.RCode}, nil
	case len(asked) != 1 || asked[0].Type != q.kind || asked[0].Class != dnsmessage.ClassINET || key(asked[0].Name) != key(q.name):
		return answer{}, errForeign
	}
	a := answer{code: h.RCode, truncated: h.Truncated, last: key(q.name)}
	if a.truncated || a.code != dnsmessage.RCodeSuccess && a.code != dnsmessage.RCodeNameError {
		return a, nil
	}
	var s section
	if err := s.read(&p, p.AnswerHeader, p.SkipAnswer); err != nil {
		return answer{}, err
	}
	a.referral = s.count == 0 && a.code == dnsmessage.RCodeSuccess && !h.Authoritative && !h.RecursionAvailable
	if err := a.follow(&s); err != nil {
		return answer{}, err
	}
	if q.kind == dnsmessage.TypeSRV {
		a.readGlue(&p)
	}
	return a, nil
}

// key is a name as maps have it: DNS does not distinguish case.
func key(n dnsmessage.Name) string { return strings.ToLower(n.String()) }

// section holds the records of a part of a message that we know, by owner.
type section struct {
	count     int // of records of any kind
	aliases   map[string]alias
	addresses map[string]glued
	services  map[string][]service
	ttls      map[string]uint32 // of the services
}

type alias struct {
	target string
	ttl    uint32
}

// read reads a part of a message: its headers with next, and what it does not know past with skip.
func (s *section) read(p *dnsmessage.Parser, next func() (dnsmessage.ResourceHeader, error), skip func() error) error {
	s.aliases, s.addresses = map[string]alias{}, map[string]glued{}
	s.services, s.ttls = map[string][]service{}, map[string]uint32{}
	for ; ; s.count++ {
		h, err := next()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Class != dnsmessage.ClassINET {
			err = skip()
		} else {
			err = s.take(p, h, skip)
		}
		if err != nil {
			return err
		}
	}
}

// take reads one record. Time to live is 31 bits; more is none (RFC 2181).
func (s *section) take(p *dnsmessage.Parser, h dnsmessage.ResourceHeader, skip func() error) error {
	owner, ttl := key(h.Name), h.TTL
	if ttl > 1<<31-1 {
		ttl = 0
	}
	switch h.Type {
	case dnsmessage.TypeCNAME:
		r, err := p.CNAMEResource()
		if err != nil {
			return err
		}
		s.aliases[owner] = alias{target: key(r.CNAME), ttl: ttl}
	case dnsmessage.TypeA:
		r, err := p.AResource()
		if err != nil {
			return err
		}
		s.address(owner, netip.AddrFrom4(r.A), ttl)
	case dnsmessage.TypeAAAA:
		r, err := p.AAAAResource()
		if err != nil {
			return err
		}
		s.address(owner, netip.AddrFrom16(r.AAAA).Unmap(), ttl)
	case dnsmessage.TypeSRV:
		r, err := p.SRVResource()
		if err != nil {
			return err
		}
		if _, more := s.ttls[owner]; more {
			ttl = min(ttl, s.ttls[owner])
		}
		s.ttls[owner] = ttl
		s.services[owner] = append(s.services[owner], service{r.Priority, r.Weight, r.Port, key(r.Target)})
	default:
		return skip()
	}
	return nil
}

// address adds one, unless nobody can be reached there: 0.0.0.0 is what filtering resolvers say instead of nothing.
func (s *section) address(owner string, ip netip.Addr, ttl uint32) {
	g, more := s.addresses[owner]
	if more {
		ttl = min(ttl, g.ttl)
	}
	g.ttl = ttl
	if !ip.IsUnspecified() && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		g.addresses = append(g.addresses, ip)
	}
	s.addresses[owner] = g
}

// follow walks from the question's name to the end of its aliases and takes what is there.
func (a *answer) follow(s *section) error {
	a.ttl = 1<<31 - 1
	for {
		next, is := s.aliases[a.last]
		if !is {
			break
		}
		if a.chain++; a.chain > maxChain {
			return errors.New("more than 8 aliases lead from the name")
		}
		a.last, a.ttl = next.target, min(a.ttl, next.ttl)
	}
	if g, ok := s.addresses[a.last]; ok {
		a.addresses, a.ttl = g.addresses, min(a.ttl, g.ttl)
	}
	if ttl, ok := s.ttls[a.last]; ok {
		a.services, a.ttl = s.services[a.last], min(a.ttl, ttl)
	}
	return nil
}

// readGlue keeps the addresses that came along with services. What is broken there is not needed.
func (a *answer) readGlue(p *dnsmessage.Parser) {
	if p.SkipAllAuthorities() != nil {
		return
	}
	var s section
	if s.read(p, p.AdditionalHeader, p.SkipAdditional) == nil {
		a.glue = s.addresses
	}
}
