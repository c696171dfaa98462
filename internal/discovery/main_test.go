package discovery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ganglion/internal/discovery/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dns starts a server for the length of the test.
func dns(t testing.TB) *dnstest.Server {
	t.Helper()
	s, err := dnstest.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// asking is the configuration that asks s.
func asking(s *dnstest.Server) Config {
	var c Config
	c.SetDefaults()
	c.Servers = []string{s.Address()}
	return c
}

// list is nodes in one line: "10.0.0.1:9000 10.0.0.2:9000*3/grpc".
func list(nodes []Node) string {
	words := make([]string, 0, len(nodes))
	for _, n := range nodes {
		w := n.Address
		if n.Weight != 1 {
			w += fmt.Sprintf("*%d", n.Weight)
		}
		if n.Protocol != "" {
			w += "/" + n.Protocol
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// await waits for what has to come about, however slow the machine is.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
