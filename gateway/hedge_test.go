package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/testnode"
)

// hedging is a pool that hedges soon after it began, and as often as it likes. On a machine that stalls for longer than the
// least time there are more hedges than a test has in mind, which is why none counts those of requests that are answered at once.
const hedging = `
[pools.main.hedge]
quantile = 0.5
min_delay = "50ms"
budget_percent = 100
budget_burst = 100000
`

// warmUp makes requests until the pool knows when one is late.
func (e *edge) warmUp() {
	e.t.Helper()
	eventually(e.t, "the pool to know when a request is late", func() bool {
		e.infer().want(e.t, 200)
		return e.metric("ganglion_hedge_delay_seconds", "model", "m") > 0
	})
}

// duel has the first attempt of each request answered by first and the second by second, whichever nodes they are at, from now
// on. A nil one answers nothing until its client leaves, and then tells.
type duel struct {
	first, second http.HandlerFunc
	left          chan string // node addresses

	mu   sync.Mutex
	seen map[string]int // by request id
}

func startDuel(nodes []*testnode.Node, first, second http.HandlerFunc) *duel {
	d := &duel{first: first, second: second, left: make(chan string, 100), seen: map[string]int{}}
	for _, n := range nodes {
		n.Handle(func(w http.ResponseWriter, r *http.Request) {
			d.mu.Lock()
			d.seen[r.Header.Get("X-Request-Id")]++
			attempt := d.seen[r.Header.Get("X-Request-Id")]
			d.mu.Unlock()
			handle := d.second
			if attempt == 1 {
				handle = d.first
			}
			w.Header().Set(testnode.NameHeader, n.Name())
			if handle == nil {
				<-r.Context().Done()
				d.left <- n.Address()
				w.WriteHeader(http.StatusGatewayTimeout) // nobody reads it, or its time was up
				return
			}
			handle(w, r)
		})
	}
	return d
}

// attempts is how many attempts a request made.
func (d *duel) attempts(id string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[id]
}

// gone waits until a node has noticed that an attempt was cancelled.
func (d *duel) gone(t *testing.T) string {
	t.Helper()
	select {
	case node := <-d.left:
		return node
	case <-time.After(2 * time.Minute):
		t.Fatal("no node noticed that its attempt was cancelled")
		return ""
	}
}

func replies(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
}

func fails(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// onEachCarrier runs a test with two nodes behind a hedging pool, over HTTP/1.1 and over the hop.
func onEachCarrier(t *testing.T, test func(t *testing.T, e *edge, nodes []*testnode.Node)) {
	for _, carrier := range []string{"http/1.1", "hop"} {
		t.Run(strings.ReplaceAll(carrier, "/", ""), func(t *testing.T) {
			nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
			for _, n := range nodes {
				n.SpeakHop(carrier == "hop")
			}
			e := start(t, twoNodes+hedging+anyRoute, nodes...)
			e.awaitHops(carrier, carrier)
			e.warmUp()
			test(t, e, nodes)
			eventually(t, "nothing in flight", func() bool { return e.metric("ganglion_upstream_attempts_in_flight") == 0 })
			if got := e.metric("ganglion_panics_total"); got != 0 {
				t.Errorf("%v panics are counted", got)
			}
		})
	}
}

// last is the newest line of the access log with that id.
func (e *edge) line(id string) (found map[string]any) {
	e.t.Helper()
	eventually(e.t, "the line of "+id, func() bool {
		for _, line := range e.logged(1) {
			if line["id"] == id {
				found = line
			}
		}
		return found != nil
	})
	return found
}

// The first attempt hangs: the client has its answer from another node, and the first is told to forget it.
func TestALateAttemptIsHedged(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, e *edge, nodes []*testnode.Node) {
		d := startDuel(nodes, nil, replies(`{"from":"hedge"}`))
		won := e.metric("ganglion_hedges_won_total")
		got := e.infer("X-Request-Id: late").want(t, 200)
		if got.body != `{"from":"hedge"}` || got.header.Get("X-Request-Id") != "late" {
			t.Errorf("the client got %q with %v", got.body, got.header)
		}
		if slow := d.gone(t); slow == got.node() {
			t.Errorf("%s was asked twice", slow)
		}
		if d.attempts("late") != 2 || e.metric("ganglion_hedges_won_total") != won+1 || e.metric("ganglion_retries_total") != 0 {
			t.Errorf("%d attempts, %v hedges won, %v retries", d.attempts("late"), e.metric("ganglion_hedges_won_total")-won, e.metric("ganglion_retries_total"))
		}
		if st := e.gateway.Status().Pools[0].Hedge; st == nil || st.Won == 0 || st.After["m"] < 0.05 {
			t.Errorf("the status says %+v", st)
		}
		line := e.line("late")
		if line["hedge"] != "won" || line["attempts"] != 2.0 || len(line["nodes"].([]any)) != 2 || line["reason"] != "ok" || line["error"] != nil {
			t.Errorf("the log says %v", line)
		}
		// The loser says nothing of its node.
		if got := e.blamed(); got != 0 {
			t.Errorf("%v attempts are held against nodes", got)
		}
	})
}

// The first attempt is late, but answers before the hedge.
func TestAHedgeThatLosesIsCancelled(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, e *edge, nodes []*testnode.Node) {
		var d *duel
		d = startDuel(nodes, func(w http.ResponseWriter, r *http.Request) {
			eventually(t, "the hedge", func() bool { return d.attempts("race") == 2 })
			w.Write([]byte(`{"from":"first"}`))
		}, nil)
		got := e.infer("X-Request-Id: race").want(t, 200)
		if got.body != `{"from":"first"}` {
			t.Errorf("the client got %q", got.body)
		}
		if loser := d.gone(t); loser == got.node() {
			t.Errorf("the hedge went to %s, where the first attempt was", loser)
		}
		if line := e.line("race"); line["hedge"] != "lost" || line["attempts"] != 2.0 {
			t.Errorf("the log says %v", line)
		}
	})
}

// The first attempt fails while its hedge is under way: that is the retry already.
func TestAFailedAttemptWaitsForItsHedge(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, e *edge, nodes []*testnode.Node) {
		var d *duel
		failed := make(chan struct{})
		d = startDuel(nodes, func(w http.ResponseWriter, r *http.Request) {
			eventually(t, "the hedge", func() bool { return d.attempts("wait") == 2 })
			w.WriteHeader(503)
			close(failed)
		}, func(w http.ResponseWriter, r *http.Request) {
			<-failed
			time.Sleep(20 * time.Millisecond) // let the failure arrive: if it does not, the test shows less
			w.Write([]byte(`{"from":"hedge"}`))
		})
		got := e.infer("X-Request-Id: wait").want(t, 200)
		if got.body != `{"from":"hedge"}` || d.attempts("wait") != 2 {
			t.Errorf("the client got %q after %d attempts", got.body, d.attempts("wait"))
		}
		if made := e.metric("ganglion_retries_total"); made != 0 {
			t.Errorf("%v retries", made)
		}
	})
}

// When both fail, the client reads one of the failures, and the two were all the attempts there are.
func TestWhenAttemptAndHedgeFail(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, e *edge, nodes []*testnode.Node) {
		var d *duel
		d = startDuel(nodes, func(w http.ResponseWriter, r *http.Request) {
			eventually(t, "the hedge", func() bool { return d.attempts("both") == 2 })
			w.WriteHeader(503)
		}, fails(500))
		got := e.infer("X-Request-Id: both")
		if got.status != 500 && got.status != 503 || d.attempts("both") != 2 {
			t.Errorf("the client got %d after %d attempts", got.status, d.attempts("both"))
		}
		if line := e.line("both"); line["hedge"] != "failed" || line["error"] == nil || e.metric("ganglion_retries_total") != 0 {
			t.Errorf("the log says %v; %v retries", line, e.metric("ganglion_retries_total"))
		}
	})
}

func TestAClientThatLeavesCancelsBoth(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, e *edge, nodes []*testnode.Node) {
		d := startDuel(nodes, nil, nil)
		leave := e.inferAndLeave("X-Request-Id: gone")
		eventually(t, "both attempts", func() bool { return d.attempts("gone") == 2 })
		_ = leave()
		if one, other := d.gone(t), d.gone(t); one == other {
			t.Error("both attempts were on the same node")
		}
		if line := e.line("gone"); line["reason"] != "client_gone" || line["hedge"] != "lost" {
			t.Errorf("the log says %v", line)
		}
	})
}

// The first attempt has failed, the client leaves while its hedge is all that runs.
func TestAClientThatLeavesCancelsTheHedge(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, e *edge, nodes []*testnode.Node) {
		var d *duel
		d = startDuel(nodes, func(w http.ResponseWriter, r *http.Request) {
			eventually(t, "the hedge", func() bool { return d.attempts("left") == 2 })
			w.WriteHeader(503)
		}, nil)
		leave := e.inferAndLeave("X-Request-Id: left")
		eventually(t, "the first attempt to fail", func() bool {
			return e.metric("ganglion_attempts_total", "outcome", "fault") == 1
		})
		_ = leave()
		d.gone(t)
		if line := e.line("left"); line["reason"] != "client_gone" {
			t.Errorf("the log says %v", line)
		}
	})
}

// The time of the exchange is over while both run.
func TestADeadlineEndsBoth(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, e *edge, nodes []*testnode.Node) {
		d := startDuel(nodes, nil, nil)
		e.infer("X-Request-Id: over", "X-Request-Timeout-Ms: 1000").want(t, 504)
		if line := e.line("over"); line["reason"] != "deadline" {
			t.Errorf("the log says %v", line)
		}
		if got := e.blamed(); got != 0 {
			t.Errorf("%v attempts are held against nodes", got)
		}
		for range d.attempts("over") {
			d.gone(t)
		}
	})
}

// Large answers are in memory of their own: a hedge's becomes the exchange's, and is given back with it.
func TestALargeAnswerOfAHedge(t *testing.T) {
	onEachCarrier(t, func(t *testing.T, e *edge, nodes []*testnode.Node) {
		body := strings.Repeat("0123456789abcdef", 200_000)
		startDuel(nodes, nil, replies(body))
		for range 3 {
			if got := e.infer().want(t, 200); got.body != body {
				t.Fatalf("%d bytes of %d came back", len(got.body), len(body))
			}
		}
		startDuel(nodes, replies("{}"), replies("{}"))
		e.infer().want(t, 200)
		eventually(t, "no answer is held any more", func() bool {
			return e.gateway.answers.Left() == int64(e.gateway.cfg.Upstream.MaxAnswerMemory)
		})
	})
}

func TestCallsAreHedgedToNodesThatSpeakGRPC(t *testing.T) {
	a, b := startRPCNode(t), startRPCNode(t)
	e := start(t, "[pools.main]\npolicy = \"round_robin\"\nnodes = [{ address = \""+a.address+"\", protocol = \"grpc\" }, { address = \""+
		b.address+"\", protocol = \"grpc\" }]\n"+fastHealth+hedging+anyRoute)
	client := e.calls()
	in := question("m", "q", 5000)
	eventually(t, "the pool to know when a call is late", func() bool {
		if _, err := client.ModelInfer(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		return e.metric("ganglion_hedge_delay_seconds", "model", "m") > 0
	})
	a.hang.Store(true)
	asked := a.asked.Load()
	for a.asked.Load() == asked { // round robin: every second one begins there
		out, err := client.ModelInfer(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if out.GetId() != "q" || !bytes.Equal(out.GetRawOutputContents()[0], in.GetRawInputContents()[0]) {
			t.Error("the answer is another")
		}
	}
	eventually(t, "the slow node to notice", func() bool { return a.left.Load() == a.asked.Load()-asked })
	if got := e.metric("ganglion_hedges_won_total"); got == 0 {
		t.Error("no hedge has won")
	}
}

// Nothing that keeps state at its node is ever on two of them.
func TestASequenceIsNotHedged(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
	e := start(t, twoNodes+hedging+anyRoute, nodes...)
	e.warmUp()
	d := startDuel(nodes, nil, replies(`{}`))
	body := strings.TrimSuffix(inferBody, "}") + `,"parameters":{"sequence_id":7}}`
	for i, ask := range []func(id string) answer{
		func(id string) answer {
			return e.infer("X-Sequence-Id: s", "X-Request-Timeout-Ms: 500", "X-Request-Id: "+id)
		},
		func(id string) answer {
			return e.do("POST", inferPath, body, "X-Request-Timeout-Ms: 500", "X-Request-Id: "+id)
		},
		func(id string) answer { // where nobody has to look for it, but somebody might have put it
			odd := strings.Replace(inferBody, `"q"`, `"sequence_id"`, 1)
			return e.do("POST", inferPath, odd, "X-Request-Timeout-Ms: 500", "X-Request-Id: "+id)
		},
	} {
		denied := func() float64 { return e.metric("ganglion_hedges_denied_total", "reason", "sequence") }
		for again := 0; again == 0 || i == 2 && denied() == 0; again++ { // in a moment without a processor all the time may pass
			id := fmt.Sprint("s", i, "-", again)
			ask(id).want(t, 504)
			if d.attempts(id) > 1 {
				t.Errorf("%s: %d attempts", id, d.attempts(id))
			}
		}
		if want := float64(i / 2); denied() != want {
			t.Errorf("after request %d %v hedges were denied for the word, want %v", i, denied(), want)
		}
	}
}

func TestNobodyHedgesWhoDoesNotWantTo(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
	e := start(t, twoNodes+anyRoute, nodes...)
	for range 200 {
		e.infer().want(t, 200)
	}
	d := startDuel(nodes, nil, replies(`{}`))
	e.infer("X-Request-Timeout-Ms: 500", "X-Request-Id: off").want(t, 504)
	if d.attempts("off") > 1 {
		t.Errorf("%d attempts in a pool without the table", d.attempts("off"))
	}
}

func TestHedgesAreDenied(t *testing.T) {
	for reason, config := range map[string]string{
		"budget":  twoNodes + strings.NewReplacer("= 100000", "= 1", "= 100\n", "= 0\n").Replace(hedging),
		"no_node": oneNode + hedging,
	} {
		t.Run(reason, func(t *testing.T) {
			nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
			nodes = nodes[:strings.Count(config, "%s")]
			e := start(t, config+anyRoute, nodes...)
			e.warmUp()
			d := startDuel(nodes, nil, nil)
			asked := 0
			for ; asked < 100 && e.metric("ganglion_hedges_denied_total", "reason", reason) == 0; asked++ { // a budget of 0 % begins empty
				e.infer("X-Request-Timeout-Ms: 500", "X-Request-Id: denied").want(t, 504)
			}
			if asked == 100 {
				t.Errorf("no hedge was denied; %d attempts", d.attempts("denied"))
			}
		})
	}
}

// A bug in a hedge costs no more than the hedge.
func TestAPanicInAHedge(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
	e := start(t, twoNodes+hedging+anyRoute, nodes...)
	e.warmUp()
	d := startDuel(nodes, nil, nil)
	d.first = func(w http.ResponseWriter, r *http.Request) {
		eventually(t, "the panic", func() bool { return e.metric("ganglion_panics_total") > 0 })
		w.Write([]byte(`{"from":"first"}`))
	}
	for _, n := range e.gateway.table.Load().pools[0].nodes() {
		n.transport = &panicsSecond{transport: n.transport, d: d}
	}
	if got := e.infer("X-Request-Id: bug").want(t, 200); got.body != `{"from":"first"}` {
		t.Errorf("the client got %q", got.body)
	}
	eventually(t, "nothing in flight", func() bool { return e.metric("ganglion_upstream_attempts_in_flight") == 0 })
}

// panicsSecond is a transport with a bug that shows when a request has been seen before.
type panicsSecond struct {
	transport
	d *duel
}

func (p *panicsSecond) roundTrip(out *outbound, resp *fasthttp.Response) error {
	if p.d.attempts("bug") > 0 {
		panic("test")
	}
	return p.transport.roundTrip(out, resp)
}
