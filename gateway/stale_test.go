package gateway

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/hop"
	"ganglion/internal/testnode"
)

// A node that closes idle connections races with the requests that are sent on them. None of 960 may fail, and none may
// need a retry: the node has done nothing wrong.
func TestStaleKeepAliveConnections(t *testing.T) {
	n := testnode.Start(t)
	n.CloseIdleAfter(20 * time.Millisecond)
	e := start(t, oneNode+anyRoute, n) // one node: there is no other to save the request
	const clients, each = 16, 60       // or more, where the moment is hard to hit
	stale, patience := func() float64 { return e.metric("ganglion_upstream_stale_connections_total") }, time.Now().Add(30*time.Second)
	var failed atomic.Int64
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := 0; i < each || stale() == 0 && time.Now().Before(patience); i++ {
				// Around the moment at which the node hangs up.
				time.Sleep(19*time.Millisecond + time.Duration((c*each+i)%20)*100*time.Microsecond)
				if a, err := e.try("POST", inferPath, inferBody); err != nil || a.status != 200 {
					failed.Add(1)
					t.Logf("%d %q %v", a.status, a.body, err)
				}
			}
		})
	}
	group.Wait()
	if got := failed.Load(); got != 0 {
		t.Errorf("%d of %d requests failed", got, n.Requests())
	}
	if stale() == 0 {
		t.Error("no stale connection was met: the test shows nothing")
	}
	if got := e.metric("ganglion_retries_total") + e.metric("ganglion_attempts_total", "outcome", "failure"); got != 0 {
		t.Errorf("%v retries and failures were counted against the node", got)
	}
}

// CloseAfterAnswer makes every kept connection stale, so that without the repetition every second request would fail.
func TestEveryKeptConnectionIsStale(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.Always(testnode.CloseAfterAnswer)
	for range 20 {
		e.infer().want(t, 200)
	}
}

// Once one kept connection has turned out to be stale, those that have been idle for longer are not tried.
func TestOneStaleConnectionTellsOfTheOthers(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, `
[pools.main]
nodes = [{ address = "%s" }]
health = { interval = "1h", rise = 1 } # probes must not notice the restart
`+anyRoute, n)
	const kept = 8
	together := func() { // as many requests at once, each on a connection of its own
		t.Helper()
		before := n.Requests()
		release := n.Hang()
		defer release()
		var group sync.WaitGroup
		for range kept {
			group.Go(func() {
				if a, err := e.try("POST", inferPath, inferBody); err != nil || a.status != 200 {
					t.Errorf("%d %v", a.status, err)
				}
			})
		}
		eventually(t, "all of them at the node", func() bool { return n.Requests() == before+kept })
		release()
		n.Heal()
		group.Wait()
		eventually(t, "the connections idle", func() bool { return e.metric("ganglion_upstream_connections", "state", "idle") == kept })
	}
	together()
	n.Restart() // closes every connection
	e.infer().want(t, 200)
	together()
	if got := e.metric("ganglion_upstream_stale_connections_total"); got != 1 {
		t.Errorf("%v requests met a stale connection, want 1", got)
	}
}

// Some servers say goodbye to an idle connection with a 408 that answers no request.
func TestAGoodbyeIsNoAnswer(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	e.infer().want(t, 200)
	n.Next(1, func(_ *testnode.Node, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestTimeout)
	})
	e.infer().want(t, 200)
	if got := e.metric("ganglion_upstream_stale_connections_total"); got != 1 {
		t.Errorf("%v stale connections are counted, want 1", got)
	}
	// On a fresh connection it is an answer like any other.
	n.Restart()
	n.Next(2, testnode.Status(http.StatusRequestTimeout))
	e.infer().want(t, 408)
}

func TestAConnectionThatWasIdleTooLongIsNotTaken(t *testing.T) {
	n := testnode.Start(t)
	p := newConns(dialer{address: n.Address()}, UpstreamConfig{MaxConnections: 4, ConnectTimeout: time.Minute, IdleTimeout: time.Second}, hop.NewBudget(0), func() {})
	defer p.close()
	now := time.Now()
	take := func(at time.Time) *conn {
		t.Helper()
		c, err := p.acquire(&outbound{start: at, deadline: now.Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := take(now)
	first.usable = true
	p.giveBack(first, now)
	if c := take(now.Add(900 * time.Millisecond)); c != first {
		t.Error("a connection idle for 900ms of 1s was not taken")
	}
	p.giveBack(first, now)
	c := take(now.Add(1100 * time.Millisecond))
	if c == first {
		t.Error("a connection idle for 1.1s of 1s was taken")
	}
	p.giveBack(c, now)
}

// A fresh connection that ends without an answer is the node's failure, and not repeated on the same node.
func TestAFreshConnectionThatEndsIsAFailure(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.Always(testnode.NoAnswer)
	e.infer().want(t, 503)
	if got := n.Requests(); got != 1 {
		t.Errorf("the node was asked %d times, want 1", got)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, "[upstream]\nidle_timeout = \"20ms\"\n"+oneNode+anyRoute, n)
	e.infer().want(t, 200)
	eventually(t, "the connection closed", func() bool { return e.metric("ganglion_upstream_connections", "state", "idle") == 0 })
	e.infer().want(t, 200)
	if got := e.metric("ganglion_upstream_stale_connections_total"); got != 0 {
		t.Errorf("%v stale connections: our own idle time is the shorter one", got)
	}
}

// An exchange that is broken off in the moment of its answer may leave a deadline behind: nobody else may meet it.
func TestACancelledConnectionIsNotReused(t *testing.T) {
	n := testnode.Start(t)
	tr := newH1(dialer{address: n.Address()}, UpstreamConfig{MaxConnections: 1, ConnectTimeout: time.Minute, IdleTimeout: time.Minute, MaxAnswer: 1 << 20}, hop.NewBudget(0), func() {})
	defer tr.conns.close()
	answered := 0
	for range 200 {
		now := time.Now()
		out := outbound{method: []byte("GET"), target: []byte("/v2/models/m"), start: now, deadline: now.Add(time.Minute)}
		n.Handle(func(w http.ResponseWriter, _ *http.Request) { out.breakOff(); w.Write([]byte("{}")) })
		var resp fasthttp.Response
		if tr.roundTrip(&out, &resp) == nil {
			answered++
		}
		if st := tr.stats(); st.idle != 0 {
			t.Fatal("the connection was kept")
		}
	}
	t.Logf("%d of 200 were answered all the same", answered)
}
