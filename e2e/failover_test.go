package e2e_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"ganglion/internal/stack"
)

// TestKilledNodeComesBack is the promise of the whole thing: with one of two nodes gone by SIGKILL in the middle of load,
// no client sees a failure, and when the node is back it is used again.
func TestKilledNodeComesBack(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached})
	client := newClient(t)
	victim, survivor := s.Nodes()[0], s.Nodes()[1]
	l := startLoad(t, s, 8)
	l.more(t, 300)

	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "the gateway notices that the node is down", func() bool { return statusOf(t, client, s, victim).State == "down" })
	l.more(t, 300)

	if err := victim.Restart(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	before, beside := statusOf(t, client, s, victim).Attempts, statusOf(t, client, s, survivor).Attempts
	until(t, "the node is up again", func() bool { return statusOf(t, client, s, victim).State == "up" })
	until(t, "both nodes serve", func() bool {
		return statusOf(t, client, s, victim).Attempts > before+100 && statusOf(t, client, s, survivor).Attempts > beside+100
	})
	l.check(t)
}

// TestFrozenNodeCostsNobodyAnAnswer stops a node in the middle of its work, with its connections open: what it has taken is
// answered by the other.
func TestFrozenNodeCostsNobodyAnAnswer(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: strings.TrimSuffix(uncached, patient)})
	client := newClient(t)
	victim := s.Nodes()[0]
	l := startLoad(t, s, 8)
	l.more(t, 300)

	if err := victim.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "the gateway notices that the node is down", func() bool { return statusOf(t, client, s, victim).State == "down" })
	l.more(t, 300)

	if err := victim.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until(t, "the node is up again", func() bool { return statusOf(t, client, s, victim).State == "up" })
	before := statusOf(t, client, s, victim).Attempts
	until(t, "it serves again", func() bool { return statusOf(t, client, s, victim).Attempts > before+100 })
	l.check(t)
}

// TestDrainedNodeMayBeKilled is how an operator takes a node away from under load: drained first, it can be killed outright,
// and once it is let back in it serves.
func TestDrainedNodeMayBeKilled(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached})
	client := newClient(t)
	victim := s.Nodes()[0]
	l := startLoad(t, s, 8)
	l.more(t, 300)

	ask(t, client, "POST", s.AdminURL()+"/drain?node="+victim.Address(), "")
	until(t, "nothing is in flight on the node", func() bool { return statusOf(t, client, s, victim).InFlight == 0 })
	before := statusOf(t, client, s, victim).Attempts
	l.more(t, 300)
	if after := statusOf(t, client, s, victim).Attempts; after > before+8 { // each client may have been choosing a node just then
		t.Errorf("a drained node got %d more requests", after-before)
	}
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	l.more(t, 100)
	if err := victim.Restart(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	ask(t, client, "POST", s.AdminURL()+"/undrain?node="+victim.Address(), "")
	until(t, "it serves again", func() bool { return statusOf(t, client, s, victim).Attempts > before+100 })
	l.check(t)
}

// TestNodeLeavesGently stops a node with SIGTERM, as an update of it would: it is not even noticed.
func TestNodeLeavesGently(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached})
	client := newClient(t)
	l := startLoad(t, s, 8)
	l.more(t, 200)
	for _, n := range s.Nodes() { // one after the other: a rolling restart
		if err := n.Restart(t.Context(), patience); err != nil {
			t.Fatal(err)
		}
		until(t, "the node is up again", func() bool { return statusOf(t, client, s, n).State == "up" })
		l.more(t, 200)
	}
	l.check(t)
}

// TestBothNodesGone wants a quick and honest 503 while nobody can answer, and service as soon as somebody can.
func TestBothNodesGone(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached})
	client := newClient(t)
	for _, n := range s.Nodes() {
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the gateway knows", func() bool {
		return statusOf(t, client, s, s.Nodes()[0]).State == "down" && statusOf(t, client, s, s.Nodes()[1]).State == "down"
	})
	r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/iris/infer", flower)
	if a, err := parse(r.body); r.status != 503 || r.header.Get("Retry-After") == "" || err != nil || a.Error == "" {
		t.Errorf("with all nodes down: %d, Retry-After %q, %s; want 503 with Retry-After and an error in JSON", r.status, r.header.Get("Retry-After"), r.body)
	}
	if r := ask(t, client, "GET", s.AdminURL()+"/readyz", ""); r.status != 503 {
		t.Errorf("/readyz with all nodes down: %d, want 503", r.status)
	}
	if err := s.Nodes()[1].Restart(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	until(t, "service is back", func() bool {
		return ask(t, client, "POST", s.GatewayURL()+"/v2/models/iris/infer", flower).status == 200
	})
	// The other stays dead; the stack's cleanup must not call that a failure.
	if err := s.Nodes()[0].Restart(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
}

// TestGatewayStopsGently sends SIGTERM to a gateway under load: whatever it accepted is answered.
func TestGatewayStopsGently(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: strings.Replace(uncached, "[server]", "[server]\ndrain_delay = \"5s\"", 1)})
	client := newClient(t)
	l := startLoad(t, s, 8)
	l.more(t, 200)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Gateway().Stop(patience) }()
	until(t, "readiness fails while the gateway still serves", func() bool {
		r, err := send(client, "GET", s.AdminURL()+"/readyz", "")
		return err == nil && r.status == 503
	})
	l.check(t) // ends the load before the port closes: the delay between the two lets a balancer in front leave, however busy it is
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
