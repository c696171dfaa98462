package gateway

import (
	"context"
	"testing"
	"time"
)

// byTurns is two nodes that get as many requests each, however long they take.
const byTurns = wary + `
[pools.main]
policy = "round_robin"
nodes = [{ address = "%s" }, { address = "%s" }]
`

// within returns what comes out of ch, and fails the test if nothing does.
func within[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s did not come within two minutes", what)
	}
	return v
}

// What waits on a connection that has fallen silent is answered by the other node, the silent one is blamed once, and a new
// connection takes the place of the old one.
func TestWhatWaitsForASilentNodeGoesElsewhere(t *testing.T) {
	nodes := ownNodes(t, 2)
	e := start(t, byTurns+anyRoute, nodes...)
	e.awaitHops("hop", "hop")
	heal := nodes[0].Hang() // with this one, requests wait
	const waiting = 8
	answers := make(chan answer, 2*waiting)
	for range 2 * waiting { // about half of them here, by turns
		go func() { answers <- e.infer() }()
	}
	eventually(t, "requests that wait", func() bool { return nodes[0].Requests() >= waiting/2 })
	nodes[0].StallHops()
	for range 2 * waiting {
		if a := within(t, "an answer", answers); a.status != 200 {
			t.Errorf("answered %d %q", a.status, a.body)
		}
	}
	heal()
	if n := e.metric("ganglion_upstream_suspicions_total"); n < 1 {
		t.Errorf("%v suspicions were counted", n)
	}
	if n := e.metric("ganglion_attempts_total", "outcome", "failure"); n != 1 {
		t.Errorf("the node was blamed %v times for falling silent once", n)
	}
	eventually(t, "a new connection, and trust", func() bool {
		n := e.gateway.Status().Pools[0].Nodes[0]
		return nodes[0].Hops() >= 2 && !n.Suspect && n.Circuit == "closed"
	})
}

// Where nobody else is, requests wait for the node, and take the new connection to it.
func TestALoneSilentNodeIsWaitedFor(t *testing.T) {
	n := ownNodes(t, 1)[0]
	e := start(t, wary+oneNode+anyRoute, n)
	e.awaitHops("hop")
	heal := n.Hang()
	answers := make(chan answer, 1)
	go func() { answers <- e.infer() }()
	eventually(t, "a request that waits", func() bool { return n.Requests() == 1 })
	n.StallHops()
	heal()
	if a := within(t, "the answer", answers); a.status != 200 {
		t.Errorf("answered %d %q", a.status, a.body)
	}
	if n.Hops() < 2 {
		t.Error("there was no second connection: the test shows nothing")
	}
}

// Without a retry left, what a silent node has given back waits for whoever is there.
func TestNoRetryIsLeftForASilentNode(t *testing.T) {
	nodes := ownNodes(t, 2)
	e := start(t, byTurns+"retry = { attempts = 1 }\n"+anyRoute, nodes...)
	e.awaitHops("hop", "hop")
	heals := []func(){nodes[0].Hang(), nodes[1].Hang()}
	answers := make(chan answer, 4)
	for range cap(answers) {
		go func() { answers <- e.infer() }()
	}
	eventually(t, "requests that wait", func() bool { return nodes[0].Requests() > 0 && nodes[0].Requests()+nodes[1].Requests() == 4 })
	nodes[0].StallHops()
	eventually(t, "suspicion", func() bool { return e.metric("ganglion_upstream_suspicions_total") >= 1 })
	for _, heal := range heals {
		heal()
	}
	for range cap(answers) {
		if a := within(t, "an answer", answers); a.status != 200 {
			t.Errorf("answered %d %q", a.status, a.body)
		}
	}
}

// A node that says goaway gets nothing new from that moment on, finishes what it has, and is back once probes find it ready.
func TestANodeThatSaysGoaway(t *testing.T) {
	nodes := ownNodes(t, 2)
	e := start(t, `
[pools.main]
nodes = [{ address = "%s" }, { address = "%s" }]
health = { interval = "1h", doubt_interval = "1h" } # but for the probe that a goaway causes
`+anyRoute, nodes...)
	e.awaitHops("hop", "hop")
	nodes[0].SetReady(false)
	nodes[0].DrainHops()
	eventually(t, "the drain", func() bool { return e.gateway.Status().Pools[0].Nodes[0].Draining == "node" })
	before := nodes[0].Requests()
	for range 20 {
		e.infer().want(t, 200)
	}
	if n := nodes[0].Requests(); n != before {
		t.Errorf("%d requests went to the node after its goaway", n-before)
	}
}

// The same of a node that speaks gRPC: what it has is finished, and the other one gets the rest.
func TestAGRPCNodeThatSaysGoaway(t *testing.T) {
	leaving, other := startRPCNode(t), startRPCNode(t)
	goOn := make(chan struct{})
	leaving.seen = func(context.Context) { <-goOn }
	e := start(t, "[pools.main]\npolicy = \"round_robin\"\nhealth = { interval = \"1h\", doubt_interval = \"1h\" }\nnodes = [{ address = \""+leaving.address+
		"\", protocol = \"grpc\" }, { address = \""+other.address+"\", protocol = \"grpc\" }]\n"+anyRoute)
	const question = `{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1.5,-2]}]}`
	answers := make(chan answer, 2)
	for range cap(answers) {
		go func() { answers <- e.do("POST", inferPath, question) }()
	}
	eventually(t, "a call under way", func() bool { return leaving.asked.Load() > 0 })
	stopped := make(chan struct{})
	go func() { defer close(stopped); leaving.server.GracefulStop() }()
	eventually(t, "the drain", func() bool { return e.gateway.Status().Pools[0].Nodes[0].Draining == "node" })
	close(goOn)
	for range cap(answers) {
		if a := within(t, "an answer", answers); a.status != 200 {
			t.Errorf("answered %d %q", a.status, a.body)
		}
	}
	within(t, "the node's end", stopped)
	if n := e.metric("ganglion_retries_total"); n != 0 {
		t.Errorf("%v retries", n)
	}
}
