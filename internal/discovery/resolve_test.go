package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"ganglion/internal/discovery/dnstest"
)

// look asks once for the addresses of "nodes.test:9000".
func look(t *testing.T, c Config) (found, error) {
	t.Helper()
	if c.DNS == "" && c.SRV == "" {
		c.DNS = "nodes.test:9000"
	}
	return c.sources()[0].look(t.Context())
}

func wantNodes(t *testing.T, c Config, want string, ttl time.Duration) {
	t.Helper()
	f, err := look(t, c)
	if err != nil || list(f.nodes) != want || f.ttl != ttl {
		t.Errorf("got %q for %s (%v, flaw %v), want %q for %s", list(f.nodes), f.ttl, err, f.flaw, want, ttl)
	}
}

func wantError(t *testing.T, c Config, kind Kind, part string) {
	t.Helper()
	f, err := look(t, c)
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != kind || !strings.Contains(err.Error(), part) {
		t.Errorf("got %q, %v, want the kind %s and %q", list(f.nodes), err, kind, part)
	}
}

func TestAddressesAreNodes(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 7, "A 10.0.0.2", "A 10.0.0.1", "A 10.0.0.2", "AAAA 2001:db8::1")
	c := asking(s)
	wantNodes(t, c, "10.0.0.1:9000 10.0.0.2:9000", 7*time.Second)
	c.Family = IPv6
	wantNodes(t, c, "[2001:db8::1]:9000", 7*time.Second)
	c.Family = BothFamilies
	wantNodes(t, c, "10.0.0.1:9000 10.0.0.2:9000 [2001:db8::1]:9000", 7*time.Second)
	c.Family, c.Protocol = IPv4, "grpc"
	wantNodes(t, c, "10.0.0.1:9000/grpc 10.0.0.2:9000/grpc", 7*time.Second)
}

func TestAddressesOfTheOtherFamilyWhenThereAreNone(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 7, "AAAA 2001:db8::1")
	wantNodes(t, asking(s), "[2001:db8::1]:9000", 7*time.Second)
}

func TestAddressesThatNobodyHas(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 7, "A 0.0.0.0", "A 255.255.255.255", "A 224.0.0.1")
	wantError(t, asking(s), Empty, `"nodes.test." has no address`)
	s.Set("nodes.test.", 7, "A 0.0.0.0", "A 10.0.0.1")
	wantNodes(t, asking(s), "10.0.0.1:9000", 7*time.Second)
}

func TestAliasesAreFollowed(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 30, "CNAME Blue.test.")
	s.Set("blue.test.", 3, "CNAME hosts.test.")
	s.Set("hosts.test.", 60, "A 10.0.0.1")
	wantNodes(t, asking(s), "10.0.0.1:9000", 3*time.Second) // as long as the shortest of the chain
	// A server that does not follow them itself is asked again.
	s.Break(func(m dnsmessage.Message, _ bool) [][]byte {
		if len(m.Answers) > 1 {
			m.Answers = m.Answers[:1]
		}
		return [][]byte{dnstest.Pack(m)}
	})
	wantNodes(t, asking(s), "10.0.0.1:9000", 3*time.Second)
}

func TestAliasesThatGoRound(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 1, "CNAME a.test.")
	s.Set("a.test.", 1, "CNAME nodes.test.")
	wantError(t, asking(s), Malformed, "more than 8 aliases")
	s.Break(func(m dnsmessage.Message, _ bool) [][]byte { // one by one
		m.Answers = m.Answers[:1]
		return [][]byte{dnstest.Pack(m)}
	})
	wantError(t, asking(s), Malformed, "more than 8 aliases")
}

// Records that somebody adds to an answer are no nodes.
func TestRecordsOfOtherNamesAreNotTaken(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 5, "A 10.0.0.1")
	s.Break(func(m dnsmessage.Message, _ bool) [][]byte {
		other := m.Answers[0]
		other.Header.Name, other.Body = dnsmessage.MustNewName("evil.test."), &dnsmessage.AResource{A: [4]byte{6, 6, 6, 6}}
		m.Answers = append(m.Answers, other)
		return [][]byte{dnstest.Pack(m)}
	})
	wantNodes(t, asking(s), "10.0.0.1:9000", 5*time.Second)
}

// Messages that answer something else, which anybody who guesses the port can send, are read past.
func TestForeignAnswersAreReadPast(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 5, "A 10.0.0.1")
	s.Break(func(m dnsmessage.Message, _ bool) [][]byte {
		right := dnstest.Pack(m)
		m.Answers[0].Body = &dnsmessage.AResource{A: [4]byte{6, 6, 6, 6}}
		m.ID++
		wrongID := dnstest.Pack(m)
		m.ID--
		m.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("evil.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
		wrongName := dnstest.Pack(m)
		m.Response = false
		return [][]byte{wrongID, wrongName, {1, 2, 3}, dnstest.Pack(m), right}
	})
	wantNodes(t, asking(s), "10.0.0.1:9000", 5*time.Second)
}

func TestLargeAnswersComeOverTCP(t *testing.T) {
	s := dns(t)
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("A 10.0.%d.%d", i/250, i%250))
	}
	s.Set("nodes.test.", 5, lines...)
	f, err := look(t, asking(s))
	if err != nil || len(f.nodes) != 1000 {
		t.Errorf("got %d nodes, %v, want 1000", len(f.nodes), err)
	}
}

func TestWhatDNSServersMayFailAt(t *testing.T) {
	code := func(c dnsmessage.RCode) dnstest.Fault {
		return func(m dnsmessage.Message, _ bool) [][]byte {
			m.RCode, m.Answers = c, nil
			return [][]byte{dnstest.Pack(m)}
		}
	}
	for name, tt := range map[string]struct {
		fault dnstest.Fault
		kind  Kind
		text  string
	}{
		"SERVFAIL": {code(dnsmessage.RCodeServerFailure), Refused, "answers SERVFAIL"},
		"REFUSED":  {code(dnsmessage.RCodeRefused), Refused, "answers REFUSED"},
		"FORMERR":  {code(dnsmessage.RCodeFormatError), Refused, "answers FORMERR"},
		"NXDOMAIN": {code(dnsmessage.RCodeNameError), NotFound, `"nodes.test." does not exist`},
		"nothing there": {func(m dnsmessage.Message, _ bool) [][]byte {
			m.Answers = nil
			return [][]byte{dnstest.Pack(m)}
		}, Empty, `"nodes.test." has no address`},
		"not its name": {func(m dnsmessage.Message, _ bool) [][]byte {
			m.Answers, m.RecursionAvailable = nil, false
			return [][]byte{dnstest.Pack(m)}
		}, Refused, "answers for other names only"},
		"half an answer": {func(m dnsmessage.Message, _ bool) [][]byte {
			b := dnstest.Pack(m)
			return [][]byte{b[:len(b)-3]}
		}, Malformed, "makes no sense"},
		"cut over TCP too": {func(m dnsmessage.Message, _ bool) [][]byte {
			m.Truncated, m.Answers = true, nil
			return [][]byte{dnstest.Pack(m)}
		}, Malformed, "in part only"},
		"hangs up": {func(m dnsmessage.Message, tcp bool) [][]byte {
			if tcp {
				return nil
			}
			m.Truncated, m.Answers = true, nil
			return [][]byte{dnstest.Pack(m)}
		}, Network, "hangs up before its answer is complete"},
	} {
		t.Run(name, func(t *testing.T) {
			s := dns(t)
			s.Set("nodes.test.", 5, "A 10.0.0.1")
			s.Break(tt.fault)
			wantError(t, asking(s), tt.kind, tt.text)
		})
	}
}

func TestServerThatIsSilent(t *testing.T) {
	s := dns(t)
	s.Break(func(dnsmessage.Message, bool) [][]byte { return nil })
	asked := servers{addresses: []string{s.Address()}, timeout: 20 * time.Millisecond, tries: 2}
	_, err := asked.resolve(t.Context(), "nodes.test.", dnsmessage.TypeA)
	if kindOf(err) != Timeout || s.Asked() != 2 {
		t.Errorf("got %v after %d questions, want the kind timeout after 2", err, s.Asked())
	}
	// The end of the look ends it too.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	asked.timeout = time.Hour
	if _, err := asked.resolve(ctx, "nodes.test.", dnsmessage.TypeA); err == nil {
		t.Error("there was an answer after the end of the context")
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := c.LocalAddr().String()
	c.Close()
	var cfg Config
	cfg.SetDefaults()
	cfg.Servers = []string{address}
	wantError(t, cfg, Network, "cannot ask DNS server "+address+": connection refused")
}

func TestTheNextServerIsAskedWhenOneFails(t *testing.T) {
	broken, good := dns(t), dns(t)
	broken.Break(func(m dnsmessage.Message, _ bool) [][]byte {
		m.RCode = dnsmessage.RCodeServerFailure
		return [][]byte{dnstest.Pack(m)}
	})
	good.Set("nodes.test.", 5, "A 10.0.0.1")
	c := asking(broken)
	c.Servers = append(c.Servers, good.Address())
	wantNodes(t, c, "10.0.0.1:9000", 5*time.Second)
	// A name that does not exist is an answer: the next server is for other troubles.
	before := good.Asked()
	broken.Break(nil)
	wantError(t, c, NotFound, "does not exist")
	if good.Asked() != before {
		t.Error("the second server was asked although the first had answered")
	}
}

func TestServersThatDoNotKnowEDNS(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 5, "A 10.0.0.1")
	s.Break(func(m dnsmessage.Message, _ bool) [][]byte {
		if s.Asked() == 1 {
			m.RCode, m.Answers, m.Questions = dnsmessage.RCodeFormatError, nil, nil
		}
		return [][]byte{dnstest.Pack(m)}
	})
	wantNodes(t, asking(s), "10.0.0.1:9000", 5*time.Second)
}

func TestSearchList(t *testing.T) {
	s := servers{search: []string{"ns.svc.cluster.local", "cluster.local"}, ndots: 2}
	f := func(name, want string) {
		t.Helper()
		if got := strings.Join(s.candidates(name), " "); got != want {
			t.Errorf("%q means %q, want %q", name, got, want)
		}
	}
	f("nodes", "nodes.ns.svc.cluster.local. nodes.cluster.local. nodes.")
	f("nodes.a", "nodes.a.ns.svc.cluster.local. nodes.a.cluster.local. nodes.a.")
	f("nodes.a.b", "nodes.a.b. nodes.a.b.ns.svc.cluster.local. nodes.a.b.cluster.local.")
	f("nodes.a.", "nodes.a.")
}

// A name of the search list that is not there leads to the next one; one that could not be asked does not.
func TestSearchListEndsAtAFailure(t *testing.T) {
	s := dns(t)
	s.Set("nodes.right.test.", 5, "A 10.0.0.1")
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("search wrong.test right.test\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := readServers(path)
	if err != nil {
		t.Fatal(err)
	}
	list.addresses = []string{s.Address()}
	r := resolver{family: AutoFamily}
	ask := func() (string, error) {
		addresses, _, err := r.addresses(t.Context(), &list, "nodes")
		return fmt.Sprint(addresses), err
	}
	if got, err := ask(); got != "[10.0.0.1]" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	s.Break(func(m dnsmessage.Message, _ bool) [][]byte {
		if strings.Contains(m.Questions[0].Name.String(), "wrong") {
			m.RCode = dnsmessage.RCodeServerFailure
		}
		return [][]byte{dnstest.Pack(m)}
	})
	if got, err := ask(); err == nil {
		t.Errorf("got %q although the first name could not be asked", got)
	}
}

func TestResolvConf(t *testing.T) {
	s, err := parseServers(strings.NewReader(`
# made by somebody
nameserver 10.0.0.53
nameserver nonsense
nameserver fe80::1%eth0 ; with a zone
nameserver 10.0.0.54
nameserver 10.0.0.55
search a.test. b.test
options ndots:5 timeout:1 attempts:3 rotate use-vc edns0 ndots:x
what is this
`))
	if err != nil {
		t.Fatal(err)
	}
	want := servers{
		addresses: []string{"10.0.0.53:53", "[fe80::1%eth0]:53", "10.0.0.54:53"}, search: []string{"a.test", "b.test"},
		ndots: 5, timeout: time.Second, tries: 3, rotate: true, tcp: true,
	}
	if fmt.Sprint(s) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", s, want)
	}
	none, err := readServers(filepath.Join(t.TempDir(), "resolv.conf"))
	if err != nil || strings.Join(none.addresses, " ") != "127.0.0.1:53 [::1]:53" {
		t.Errorf("without a file: %v, %v", none.addresses, err)
	}
}
