package discovery

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"ganglion/internal/discovery/dnstest"
)

func services(s *dnstest.Server) Config {
	c := asking(s)
	c.SRV = "_oip._tcp.nodes.test"
	return c
}

func TestTargetsAreNodes(t *testing.T) {
	s := dns(t)
	s.Set("_oip._tcp.nodes.test.", 9, "SRV 10 1 9000 a.test.", "SRV 10 3 9100 b.test.", "SRV 20 1 9200 spare.test.")
	s.Set("a.test.", 30, "A 10.0.0.1")
	s.Set("b.test.", 4, "A 10.0.0.2", "A 10.0.0.3")
	s.Set("spare.test.", 1, "A 10.0.0.4")
	wantNodes(t, services(s), "10.0.0.1:9000 10.0.0.2:9100*3 10.0.0.3:9100*3", 4*time.Second)
}

func TestWeightsOfServices(t *testing.T) {
	f := func(want string, in ...uint16) {
		t.Helper()
		var list []service
		for _, w := range in {
			list = append(list, service{weight: w})
		}
		weigh := weights(list)
		var got []string
		for _, w := range in {
			got = append(got, string(rune('0'+weigh(w)/100))+string(rune('0'+weigh(w)/10%10))+string(rune('0'+weigh(w)%10)))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d become %q, want %q", in, got, want)
		}
	}
	f("001 001", 0, 0)
	f("001 001", 500, 500)
	f("001 003", 1, 3)
	f("256 128 001", 65535, 32768, 1)
	f("256 001", 10, 0) // 0 is the least share, not none
	f("256 256 128", 512, 512, 256)
}

// A target that cannot be asked for keeps its nodes: the others are no reason to lose them.
func TestTargetThatCannotBeAskedKeepsItsNodes(t *testing.T) {
	s := dns(t)
	s.Set("_oip._tcp.nodes.test.", 9, "SRV 1 1 9000 a.test.", "SRV 1 1 9000 b.test.")
	s.Set("a.test.", 30, "A 10.0.0.1")
	s.Set("b.test.", 30, "A 10.0.0.2")
	c := services(s)
	src := c.sources()[0]
	ask := func(want, flaw string) {
		t.Helper()
		f, err := src.look(t.Context())
		if err != nil || list(f.nodes) != want || (f.flaw == nil) != (flaw == "") || f.flaw != nil && !strings.Contains(f.flaw.Error(), flaw) {
			t.Errorf("got %q, flaw %v (%v), want %q, flaw %q", list(f.nodes), f.flaw, err, want, flaw)
		}
	}
	ask("10.0.0.1:9000 10.0.0.2:9000", "")
	s.Break(func(m dnsmessage.Message, _ bool) [][]byte {
		if m.Questions[0].Name.String() == "b.test." {
			m.RCode, m.Answers = dnsmessage.RCodeServerFailure, nil
		}
		return [][]byte{dnstest.Pack(m)}
	})
	ask("10.0.0.1:9000 10.0.0.2:9000", `target "b.test." of "_oip._tcp.nodes.test": DNS server `+s.Address()+" answers SERVFAIL")
	s.Break(nil)
	s.Remove("b.test.") // this is an answer: it is gone
	ask("10.0.0.1:9000", `target "b.test." of "_oip._tcp.nodes.test": "b.test." does not exist`)
}

func TestServicesThatAreNotThere(t *testing.T) {
	s := dns(t)
	wantError(t, services(s), NotFound, `"_oip._tcp.nodes.test." does not exist`)
	s.Set("_oip._tcp.nodes.test.", 1)
	wantError(t, services(s), Empty, "has no SRV record")
	s.Set("_oip._tcp.nodes.test.", 1, "SRV 0 0 0 .")
	wantError(t, services(s), Empty, "there is no such service")
	s.Set("_oip._tcp.nodes.test.", 1, "SRV 0 0 9000 gone.test.")
	wantError(t, services(s), NotFound, `target "gone.test."`)
}

// Addresses that come along with the services are not asked for again.
func TestAddressesThatComeAlong(t *testing.T) {
	s := dns(t)
	s.Set("_oip._tcp.nodes.test.", 9, "SRV 1 1 9000 a.test.")
	s.Break(func(m dnsmessage.Message, _ bool) [][]byte {
		m.Additionals = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("A.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 3},
			Body:   &dnsmessage.AResource{A: [4]byte{10, 0, 0, 7}},
		}}
		return [][]byte{dnstest.Pack(m)}
	})
	wantNodes(t, services(s), "10.0.0.7:9000", 3*time.Second)
	if s.Asked() != 1 {
		t.Errorf("%d questions were asked, want 1", s.Asked())
	}
}
