package gateway

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

// deafNode takes requests and answers none but those of probes.
func deafNode(t testing.TB) (address string) {
	t.Helper()
	well, post := []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), []byte("POST")
	return rawNode(t, func(piece []byte) []byte {
		if bytes.HasPrefix(piece, post) {
			return nil
		}
		return well
	})
}

// startFull runs a gateway whose only node has as much as it may have, and in whose queue so many wait as may.
func startFull(t testing.TB, queueMax int) *plainClient {
	t.Helper()
	client, g := startConfigured(t, fmt.Sprintf("[server]\ngrpc = \"\"\ndrain_delay = \"0s\"\n[pools.main]\nmax_inflight = 1\nnodes = [{ address = %q }]\n"+
		"[pools.main.queue]\nmax = %d\ntimeout = \"1h\"\n[routes.m]\npool = \"main\"\ntimeout = \"1h\"\n", deafNode(t), queueMax))
	for i := range 1 + queueMax {
		c := newPlainClient(t, client.RemoteAddr().String())
		if _, err := c.Write(c.request); err != nil {
			t.Fatal(err)
		}
		eventually(t, "its place", func() bool {
			p := g.Status().Pools[0]
			return p.Nodes[0].InFlight+p.Queue.Waiting == int64(i+1)
		})
	}
	return client
}

// refused sends one request, which has to be refused.
func (c *plainClient) refused(t testing.TB) []byte {
	if _, err := c.Write(c.request); err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		m, err := c.Read(c.buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		if n += m; bytes.HasSuffix(c.buf[:n], []byte("\"}")) {
			break
		}
	}
	if !bytes.HasPrefix(c.buf[:n], []byte("HTTP/1.1 503 ")) {
		t.Fatalf("got %s, want a refusal", c.buf[:n])
	}
	return c.buf[:n]
}

// startAlone runs a gateway whose only node is gone.
func startAlone(t testing.TB) *plainClient {
	t.Helper()
	node := testnode.Start(t)
	client, g := startConfigured(t, fmt.Sprintf("[server]\ngrpc = \"\"\ndrain_delay = \"0s\"\n[pools.main]\nnodes = [{ address = %q }]\n"+
		"health = { interval = \"200ms\", doubt_interval = \"200ms\", fall = 1 }\n[routes.m]\npool = \"main\"\n", node.Address()))
	node.Stop()
	eventually(t, "the node down", func() bool { return g.Ready() != nil })
	return client
}

// Whoever wants ten times of what there is gets nine refusals for each answer: they must be the cheapest that there is.
func TestRefusalsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, start := range map[string]func(testing.TB) *plainClient{
		"nobody may wait":   func(t testing.TB) *plainClient { return startFull(t, 0) },
		"the queue is full": func(t testing.TB) *plainClient { return startFull(t, 1) },
		"no node is left":   startAlone,
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			for range 1000 { // fill the pools
				c.refused(t)
			}
			if got := testing.AllocsPerRun(5000, func() { c.refused(t) }); got > 0 {
				t.Errorf("%v allocations for each refusal, want none: %s", got, c.refused(t))
			}
		})
	}
}

func BenchmarkRefused(b *testing.B) {
	c := startFull(b, 1)
	time.Sleep(10 * time.Millisecond)
	b.ReportAllocs()
	for b.Loop() {
		c.refused(b)
	}
}
