package discovery

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"ganglion/internal/discovery/dnstest"
)

func TestFileOfAddresses(t *testing.T) {
	nodes, err := Parse("nodes.txt", []byte("\xef\xbb\xbf# all of them\r\n10.0.0.2:9000 # the second\r\n\r\n"+
		"gpu-1.Example:9000 weight=3 protocol=grpc\n\t10.0.0.1:9000   weight=0\n[::1]:9000 protocol=http"))
	want := "10.0.0.1:9000*0 10.0.0.2:9000 [::1]:9000/http gpu-1.example:9000*3/grpc"
	if err != nil || list(nodes) != want {
		t.Errorf("got %q, %v, want %q", list(nodes), err, want)
	}
}

func TestFilesThatMakeNoSense(t *testing.T) {
	for src, want := range map[string]string{
		"":                                    "nodes.txt: has no address",
		"# nobody\n":                          "nodes.txt: has no address",
		"10.0.0.1:9000\n10.0.0.2\n":           `nodes.txt:2: address "10.0.0.2" is not "host:port"`,
		"10.0.0.1:9000\n\n10.0.0.1:09000":     `nodes.txt:3: node "10.0.0.1:9000" is listed twice: line 1 has it already`,
		"10.0.0.1:9000 weight=257":            `nodes.txt:1: weight "257" is out of range: accepted are 0 to 256`,
		"10.0.0.1:9000 weight=-1":             `weight "-1" is out of range`,
		"10.0.0.1:9000 weight=1 weight=2":     "weight is given twice",
		"10.0.0.1:9000 weight 1":              `"weight" is not known: accepted after the address are weight=N`,
		"10.0.0.1:9000 protocol=http2":        `protocol "http2" is not known: accepted are http and grpc`,
		"10.0.0.1:9000 wieght=1":              `"wieght=1" is not known`,
		"\x00\xff:9000":                       `host "\x00\xff"`,
		strings.Repeat("x", 100_000) + ":900": "nodes.txt:1: address",
	} {
		nodes, err := Parse("nodes.txt", []byte(src))
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("%.60q: got %q, %v, want an error with %q", src, list(nodes), err, want)
		}
	}
	var b strings.Builder
	for i := range maxNodes + 1 {
		fmt.Fprintf(&b, "10.0.0.1:%d\n", 1+i)
	}
	if _, err := Parse("nodes.txt", []byte(b.String())); kindOf(err) != TooMany {
		t.Errorf("more nodes than there may be: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("10.0.0.1:9000 weight=3 protocol=grpc # x\n[::1]:9000\n"))
	f.Add([]byte("\xef\xbb\xbf\r\n:\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		nodes, err := Parse("f", src)
		if err != nil {
			if _, ours := errors.AsType[*Error](err); !ours {
				t.Errorf("%q: the error %v has no kind", src, err)
			}
			return
		}
		checkList(t, nodes)
		// What was read is read the same again.
		var b strings.Builder
		for _, n := range nodes {
			fmt.Fprintf(&b, "%s weight=%d", n.Address, n.Weight)
			if n.Protocol != "" {
				b.WriteString(" protocol=" + n.Protocol)
			}
			b.WriteString("\n")
		}
		if again, err := Parse("f", []byte(b.String())); err != nil || list(again) != list(nodes) {
			t.Errorf("%q: read again it is %q, %v, was %q", src, list(again), err, list(nodes))
		}
	})
}

// checkList holds a list to what every list promises.
func checkList(t *testing.T, nodes []Node) {
	t.Helper()
	if len(nodes) == 0 || len(nodes) > maxNodes {
		t.Errorf("a list has %d nodes", len(nodes))
	}
	for i, n := range nodes {
		if n.Weight < 0 || n.Weight > maxWeight || i > 0 && nodes[i-1].Address >= n.Address {
			t.Errorf("node %+v behind %+v", n, nodes[max(0, i-1)])
		}
	}
}

func FuzzAnswer(f *testing.F) {
	header := func(name string, kind dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET, TTL: 5}
	}
	records := []dnsmessage.Resource{
		{Header: header("nodes.test.", dnsmessage.TypeCNAME), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("x.test.")}},
		{Header: header("x.test.", dnsmessage.TypeA), Body: &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}}},
		{Header: header("x.test.", dnsmessage.TypeAAAA), Body: &dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}}},
		{Header: header("x.test.", dnsmessage.TypeSRV), Body: &dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 3, Target: dnsmessage.MustNewName("y.test.")}},
	}
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeSRV} {
		f.Add(dnstest.Pack(dnsmessage.Message{
			Header:    dnsmessage.Header{Response: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("nodes.test."), Type: kind, Class: dnsmessage.ClassINET}},
			Answers:   records, Additionals: records,
		}))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeSRV} {
			q, err := newQuestion("nodes.test.", kind)
			if err != nil {
				t.Fatal(err)
			}
			a, err := readAnswer(msg, 0, q)
			if err != nil {
				continue
			}
			if a.chain > maxChain || a.ttl > 1<<31-1 || len(a.addresses)+len(a.services) > len(msg) {
				t.Errorf("%x was read as %+v", msg, a)
			}
			if len(a.services) > 0 {
				weigh := weights(a.services)
				for _, s := range preferred(a.services) {
					if w := weigh(s.weight); w < 1 || w > maxWeight {
						t.Errorf("weight %d became %d", s.weight, w)
					}
				}
			}
		}
	})
}
