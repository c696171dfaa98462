package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"ganglion/internal/hop"
	"ganglion/internal/testnode"
)

// ownNodes starts nodes that speak the hop.
func ownNodes(t *testing.T, count int) []*testnode.Node {
	t.Helper()
	nodes := make([]*testnode.Node, count)
	for i := range nodes {
		nodes[i] = testnode.Start(t)
		nodes[i].SpeakHop(true)
	}
	return nodes
}

// awaitHops waits until every node is reached as expected.
func (e *edge) awaitHops(want ...string) {
	e.t.Helper()
	eventually(e.t, "nodes reached by "+strings.Join(want, ", "), func() bool {
		for i, n := range e.gateway.Status().Pools[0].Nodes {
			if n.Transport != want[i] {
				return false
			}
		}
		return true
	})
}

// What goes over HTTP/1.1 goes over the hop, and comes back.
func TestOverTheHop(t *testing.T) {
	n := ownNodes(t, 1)[0]
	e := start(t, oneNode+anyRoute, n)
	e.awaitHops("hop")
	n.SetLoad(hop.Load{Known: true, Queued: 3, InFlight: 5, Wait: 1500 * time.Microsecond})
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	got := e.do("POST", inferPath+"?a=b", inferBody, "X-Request-Id: id-1", "Traceparent: "+trace, "Tracestate: k=v",
		"Content-Type: application/json", "X-Custom: one", "Inference-Header-Content-Length: 20").want(t, 200)
	if got.node() != n.Name() || got.header.Get("Content-Type") != "application/json" || got.header.Get("X-Request-Id") != "id-1" {
		t.Errorf("answered %v", got.header)
	}
	seen := n.Last()
	for name, want := range map[string]string{
		"Traceparent": trace, "Tracestate": "k=v", "X-Request-Id": "id-1", "Content-Type": "application/json",
		"X-Custom": "one", "Inference-Header-Content-Length": "20", "X-Forwarded-For": "127.0.0.1",
	} {
		if got := seen.Header.Get(name); got != want {
			t.Errorf("the node got %s: %q, want %q", name, got, want)
		}
	}
	if seen.Path != inferPath+"?a=b" || string(seen.Body) != inferBody || seen.Method != "POST" {
		t.Errorf("the node got %s %s %q", seen.Method, seen.Path, seen.Body)
	}
	if l := e.gateway.Status().Pools[0].Nodes[0].Load; l == nil || *l != (LoadStatus{Queued: 3, InFlight: 5, Wait: 0.0015}) {
		t.Errorf("the node's load is taken for %+v", l)
	}
	if busy := e.metric("ganglion_upstream_connections", "state", "hop"); busy != 1 {
		t.Errorf("%v hop connections, want 1", busy)
	}
}

// Bodies of every size come and go whole.
func TestBodiesOverTheHop(t *testing.T) {
	n := ownNodes(t, 1)[0]
	e := start(t, oneNode+anyRoute, n)
	e.awaitHops("hop")
	n.Handle(func(w http.ResponseWriter, r *http.Request) { r.Body.Close(); w.Write(n.Last().Body) })
	for _, size := range []int{0, 1, 16 << 10, 40 << 10, keepScratch, keepScratch + 1, 700 << 10, 5 << 20} {
		body := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		if got := e.do("POST", inferPath, body).want(t, 200); got.body != body {
			t.Errorf("%d bytes came back as %d", size, len(got.body))
		}
	}
	eventually(t, "no answer is held any more", func() bool {
		return e.gateway.answers.Left() == int64(e.gateway.cfg.Upstream.MaxAnswerMemory)
	})
}

// What the hop has no room for goes over HTTP/1.1, which it does not keep from the node.
func TestWhatTheHopCannotCarry(t *testing.T) {
	n := ownNodes(t, 1)[0]
	e := start(t, oneNode+anyRoute, n)
	e.awaitHops("hop")
	many := make([]string, 40)
	for i := range many {
		many[i] = "X-Number-" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ": x"
	}
	e.infer(many...).want(t, 200)
	e.infer("Content-Type: application/json; x="+strings.Repeat("y", 300)).want(t, 200)
	e.infer("Inference-Header-Content-Length: many").want(t, 200)
	if got := n.Last().Header.Get("Inference-Header-Content-Length"); got != "many" {
		t.Errorf("the node got the length %q", got)
	}
}

// A node that is replaced by one of another kind is noticed, and no request fails for it.
func TestANodeChangesItsKind(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	a.SpeakHop(true)
	e := start(t, twoNodes+anyRoute, a, b)
	e.awaitHops("hop", "http/1.1")
	stop := load(t, e, 4)
	swap := func(n *testnode.Node, speaks bool, kinds ...string) {
		n.SpeakHop(speaks)
		n.Restart()
		e.awaitHops(kinds...)
		// Only when it is at work again may the other one go: a request that both have dropped has nobody left.
		before := n.Requests()
		eventually(t, "the node at work", func() bool { return n.Requests() > before+20 })
	}
	swap(a, false, "http/1.1", "http/1.1")
	swap(b, true, "http/1.1", "hop")
	swap(a, true, "hop", "hop")
	if made, failed := stop(); failed > 0 {
		t.Errorf("%d of %d requests failed", failed, made)
	}
}

// Whatever breaks under load, no client notices while another node, or another connection, can answer.
func TestHopFaultsUnderLoad(t *testing.T) {
	for name, fault := range map[string]func(*testnode.Node){
		"cut":                (*testnode.Node).CutHops,
		"corrupted":          (*testnode.Node).CorruptHops,
		"stalled":            (*testnode.Node).StallHops, // which needs suspicion
		"drained":            (*testnode.Node).DrainHops,
		"restarted":          (*testnode.Node).Restart,
		"reset by a handler": func(n *testnode.Node) { n.Next(1, testnode.Reset) },
		"garbage":            func(n *testnode.Node) { n.Next(1, testnode.Garbage) },
		"half an answer":     func(n *testnode.Node) { n.Next(1, testnode.HalfAnswer) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := ownNodes(t, 2)
			for _, n := range nodes {
				n.SetDelay(time.Millisecond)
			}
			e := start(t, wary+twoNodes+anyRoute, nodes...)
			e.awaitHops("hop", "hop")
			stop := load(t, e, 8)
			for _, n := range nodes {
				hops, before := n.Hops(), n.Requests()
				eventually(t, "the node at work", func() bool { return n.Requests() > before+20 })
				fault(n)
				eventually(t, "another connection", func() bool { return n.Hops() > hops })
				e.awaitHops("hop", "hop")
				before = n.Requests() // what it has dropped, the other one, which is next, may have to answer first
				eventually(t, "the node at work again", func() bool { return n.Requests() > before+20 })
			}
			if made, failed := stop(); failed > 0 {
				t.Errorf("%d of %d requests failed", failed, made)
			}
			for _, n := range e.gateway.Status().Pools[0].Nodes {
				if n.Circuit != "closed" && name != "restarted" {
					t.Errorf("the circuit of %s is %s: one connection is not the node", n.Address, n.Circuit)
				}
			}
		})
	}
}

// With one node alone, a drain of its connection goes unnoticed all the same.
func TestADrainedConnectionOfALoneNode(t *testing.T) {
	n := ownNodes(t, 1)[0]
	e := start(t, oneNode+anyRoute, n)
	e.awaitHops("hop")
	stop := load(t, e, 8)
	for range 5 {
		before, hops := n.Requests(), n.Hops()
		eventually(t, "the node at work", func() bool { return n.Requests() > before+50 })
		n.DrainHops()
		eventually(t, "another connection", func() bool { return n.Hops() > hops })
	}
	if made, failed := stop(); failed > 0 {
		t.Errorf("%d of %d requests failed", failed, made)
	}
}

// A client that leaves takes its work along, on either transport, and nobody is blamed.
func TestAClientThatLeaves(t *testing.T) {
	for _, speaks := range []bool{true, false} {
		t.Run(map[bool]string{true: "hop", false: "http"}[speaks], func(t *testing.T) {
			nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
			for _, n := range nodes {
				n.SpeakHop(speaks)
			}
			e := start(t, twoNodes+anyRoute, nodes...)
			kind := map[bool]string{true: "hop", false: "http/1.1"}[speaks]
			e.awaitHops(kind, kind)
			for _, n := range nodes {
				defer n.Hang()()
			}
			ctx, leave := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "POST", e.url+inferPath, strings.NewReader(inferBody))
			if err != nil {
				t.Fatal(err)
			}
			left := make(chan error, 1)
			go func() {
				_, err := e.client.Do(req)
				left <- err
			}()
			eventually(t, "the request at a node", func() bool { return nodes[0].Requests()+nodes[1].Requests() == 1 })
			leave()
			if <-left == nil {
				t.Fatal("answered by nodes that hang")
			}
			line := e.logged(1)[0]
			if line["reason"] != "client_gone" || line["status"] != 499.0 || line["attempts"] != 1.0 {
				t.Errorf("logged %v", line)
			}
			eventually(t, "the node told", func() bool { return nodes[0].Gone()+nodes[1].Gone() == 1 })
			if failures := e.metric("ganglion_attempts_total", "outcome", "neutral"); failures != 1 {
				t.Errorf("%v neutral attempts, want 1", failures)
			}
		})
	}
}

// Answers that are too much together are refused, not collected.
func TestAnswersAreBoundedTogether(t *testing.T) {
	for _, speaks := range []bool{true, false} {
		n := testnode.Start(t)
		n.SpeakHop(speaks)
		e := start(t, "[upstream]\nmax_answer = \"1MiB\"\nmax_answer_memory = \"2MiB\"\n"+oneNode+anyRoute, n)
		e.awaitHops(map[bool]string{true: "hop", false: "http/1.1"}[speaks])
		n.Handle(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1<<20)) })
		e.infer().want(t, 200)
		// What others hold; the exchange before lets go of its own once it is over.
		eventually(t, "room for others", func() bool { return e.gateway.answers.Reserve(3 << 19) })
		got := e.infer().want(t, 503)
		if !strings.Contains(got.message(), "max_answer_memory") || got.header.Get("Retry-After") == "" {
			t.Errorf("got %v %q", got.header, got.body)
		}
		e.gateway.answers.Release(3 << 19)
		e.infer().want(t, 200)
	}
}
