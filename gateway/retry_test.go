package gateway

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

func TestAFailedAttemptIsRepeatedOnAnotherNode(t *testing.T) {
	for name, fault := range map[string]testnode.Fault{
		"500":              testnode.Status(500),
		"502":              testnode.Status(502),
		"503":              testnode.Status(503),
		"504":              testnode.Status(504),
		"429":              testnode.Status(429),
		"reset":            testnode.Reset,
		"reset mid-answer": testnode.ResetMidAnswer,
		"half an answer":   testnode.HalfAnswer,
		"no answer":        testnode.NoAnswer,
		"garbage":          testnode.Garbage,
		"endless garbage":  testnode.GarbageAndSilence,
	} {
		t.Run(name, func(t *testing.T) {
			bad, good := testnode.Start(t), testnode.Start(t)
			e := start(t, twoNodes+anyRoute, bad, good)
			bad.Always(fault)
			for range 6 { // round robin: both nodes are asked first
				got := e.infer().want(t, 200)
				if got.node() != good.Name() || !strings.Contains(got.body, `"id":"q"`) {
					t.Fatalf("answer %q from %s, want one of %s", got.body, got.node(), good.Name())
				}
			}
			if bad.Requests() == 0 {
				t.Error("the bad node was never asked: the test shows nothing")
			}
			if got := e.metric("ganglion_retries_total"); got == 0 {
				t.Error("no retry was counted")
			}
			for _, line := range e.logged(6) {
				if line["attempts"] == 2.0 && len(line["nodes"].([]any)) != 2 {
					t.Errorf("two attempts, but the log names %v", line["nodes"])
				}
			}
		})
	}
}

func TestARetryIsTheSameRequest(t *testing.T) {
	bad, good := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRoute, bad, good)
	bad.FailAlways(503)
	good.FailAlways(503)
	body := inferBody + strings.Repeat(" ", 100_000) // large enough to be sent in two pieces
	e.do("POST", inferPath+"?k=v", body, "X-Custom: kept").want(t, 503)
	a, b := bad.Last(), good.Last()
	if a.Path != b.Path || string(a.Body) != string(b.Body) || string(a.Body) != body {
		t.Errorf("the second attempt differs: %s with %d bytes, then %s with %d", a.Path, len(a.Body), b.Path, len(b.Body))
	}
	if a.Header.Get("X-Custom") != "kept" || b.Header.Get("X-Custom") != "kept" || a.Header.Get("X-Request-Id") != b.Header.Get("X-Request-Id") {
		t.Errorf("headers differ: %v, then %v", a.Header, b.Header)
	}
}

// Of two failures the client gets the words of the last node that said anything.
func TestTheLastAnswerIsPassedOn(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRoute, a, b)
	a.FailAlways(500)
	b.Always(testnode.Reset)
	for range 4 {
		got := e.infer().want(t, 500)
		if got.node() != a.Name() || !strings.Contains(got.message(), "500") {
			t.Errorf("got %q from %q, want the words of the node that answered", got.body, got.node())
		}
	}
}

func TestWithoutAnyAnswerTheErrorNamesNoAddress(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRoute, a, b)
	a.ResetConnections()
	b.ResetConnections()
	got := e.infer("X-Request-Id: find-me").want(t, 503)
	if got.message() == "" || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "127.0.0.1") || got.header.Get("X-Request-Id") != "find-me" {
		t.Errorf("the client reads %q with id %q", got.body, got.header.Get("X-Request-Id"))
	}
	line := e.logged(1)[0]
	if line["reason"] != "upstream_error" || line["id"] != "find-me" || line["error"] == nil || len(line["nodes"].([]any)) != 2 {
		t.Errorf("the log does not say what happened: %v", line)
	}
}

func TestRetriesStayWithinTheBudget(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, `
[pools.main]
nodes = [{ address = "%s" }, { address = "%s" }]
[pools.main.retry]
budget_percent = 10
budget_floor = 0
budget_burst = 5
[pools.main.breaker]
consecutive_failures = 0
failure_percent = 0
`+anyRoute, a, b)
	a.FailAlways(503)
	b.FailAlways(503)
	const requests = 50
	for range requests {
		e.infer().want(t, 503)
	}
	// Five are saved up, and one comes for every ten requests.
	made, denied := e.metric("ganglion_retries_total"), e.metric("ganglion_retries_denied_total")
	if made < 5 || made > 10 || made+denied != requests {
		t.Errorf("counted %v retries and %v denied of %d, want 5 to 10 made", made, denied, requests)
	}
	if got := a.Requests() + b.Requests(); got != requests+int64(made) {
		t.Errorf("%d requests and %v retries made %d attempts", requests, made, got)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t), testnode.Start(t)}
	e := start(t, `
[pools.main]
nodes = [{ address = "%s" }, { address = "%s" }, { address = "%s" }]
retry = { attempts = 3 }
`+anyRoute, nodes...)
	for _, n := range nodes {
		n.FailAlways(503)
	}
	e.infer().want(t, 503)
	for _, n := range nodes {
		if n.Requests() != 1 {
			t.Errorf("%s got %d requests of an exchange with three attempts, want 1", n.Name(), n.Requests())
		}
	}
}

func TestATimeoutIsNotRetriedBeyondTheDeadline(t *testing.T) {
	slow, other := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+"[routes.\"*\"]\npool = \"main\"\ntimeout = \"1s\"\n", slow, other)
	defer slow.Hang()()
	defer other.Hang()()
	began := time.Now()
	got := e.infer().want(t, 504)
	if took := time.Since(began); took < time.Second || took > 10*time.Second { // the default is 30 s
		t.Errorf("took %s with a timeout of 1s", took)
	}
	if !strings.Contains(got.message(), "1s") {
		t.Errorf("the error is %q, want the limit named", got.message())
	}
	if line := e.logged(1)[0]; line["attempts"] != 1.0 { // the time was up
		t.Errorf("%v attempts, want 1", line["attempts"])
	} else if line["reason"] != "upstream_timeout" {
		t.Errorf("the log says %v", line)
	}
}

// A retry has what the first attempt left of the time.
func TestTheDeadlineIsKeptOverRetries(t *testing.T) {
	nodes := ownNodes(t, 2)
	e := start(t, twoNodes+"[routes.\"*\"]\npool = \"main\"\ntimeout = \"1m\"\n", nodes...)
	e.awaitHops("hop", "hop")
	const used = 300 * time.Millisecond
	left := make(chan time.Duration, 2) // what each attempt is told; no node measures it, so that a slow machine only lessens it
	for _, n := range nodes {
		n.Handle(func(w http.ResponseWriter, r *http.Request) {
			deadline, _ := r.Context().Deadline()
			left <- time.Until(deadline)
			time.Sleep(used) // the model is slow
			w.WriteHeader(503)
		})
	}
	e.infer().want(t, 503)
	if first := <-left; first <= 0 || first > time.Minute {
		t.Errorf("the first attempt had %s of a minute", first)
	}
	if second := <-left; second <= 0 || second > time.Minute-used {
		t.Errorf("the second attempt had %s of a minute, of which the first had used %s", second, used)
	}
}

func TestAnswersOverTheLimitAreNotPassedOn(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, "[upstream]\nmax_answer = \"1KiB\"\n"+twoNodes+anyRoute, a, b)
	large := func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2000)) }
	a.Handle(large)
	b.Handle(large)
	e.infer().want(t, 502)
	if got := a.Requests() + b.Requests(); got != 1 {
		t.Errorf("%d attempts, want 1: the answer would be the same", got)
	}
}

func TestConnectionsToANodeAreBounded(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, "[upstream]\nmax_connections = 2\n"+oneNode+anyRoute, n)
	release := n.Hang()
	defer release()
	held := make(chan answer, 2)
	for range 2 {
		go func() {
			a, err := e.try("POST", inferPath, inferBody)
			if err != nil {
				t.Error(err)
			}
			held <- a
		}()
	}
	eventually(t, "both connections in use", func() bool { return n.Requests() == 2 })
	got := e.infer().want(t, 503)
	if got.header.Get("Retry-After") == "" || got.message() == "" {
		t.Errorf("got %v %q, want a Retry-After and a reason", got.header, got.body)
	}
	release()
	for range 2 {
		(<-held).want(t, 200)
	}
	if st := e.metric("ganglion_upstream_connects_total"); st != 2 {
		t.Errorf("%v connections were made, want 2", st)
	}
}

// A node may refuse a body before it has read it, and hang up. Its answer is worth more than the broken pipe.
func TestAnAnswerBeforeTheEndOfTheRequest(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(c net.Conn) {
		defer c.Close()
		head := make([]byte, 4096)
		if n, _ := c.Read(head); strings.HasPrefix(string(head[:n]), "GET /v2/health/ready") {
			c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
			return
		}
		// Most of the body is unread, so that closing resets the connection.
		c.Write([]byte("HTTP/1.1 413 Too Large\r\nContent-Length: 20\r\n\r\n{\"error\":\"too much\"}"))
		// The gateway's kernel has it now: what a reset follows can still be read.
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			group.Go(func() { refuse(c) })
		}
	})
	defer group.Wait()
	defer ln.Close()
	e := start(t, fmt.Sprintf("[pools.main]\nnodes = [{ address = %q }]\n", ln.Addr())+anyRoute)
	for range 3 {
		got := e.do("POST", inferPath, strings.Repeat("x", 8<<20)).want(t, 413)
		if got.message() != "too much" {
			t.Errorf("got %q", got.body)
		}
	}
}

// Of several nodes that say when to come back, the first that is ready is worth coming back for.
func TestTheShortestRetryAfterIsPassedOn(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRoute, a, b)
	say := func(n *testnode.Node, seconds string) {
		n.Handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", seconds)
			w.WriteHeader(503)
		})
	}
	say(a, "70")
	say(b, "30") // longer than the test may take
	if got := e.infer().want(t, 503).header.Get("Retry-After"); got != "30" {
		t.Errorf("the client is told %q, want 30", got)
	}
	if a.Requests() != 1 || b.Requests() != 1 {
		t.Fatalf("%d and %d attempts, want one each", a.Requests(), b.Requests())
	}
	// Both want to be left alone now: one may be asked all the same, the second would be a storm.
	e.infer().want(t, 503)
	if got := a.Requests() + b.Requests(); got != 3 {
		t.Errorf("%d attempts in all, want 3", got)
	}
}

// Where no node is left that was not asked, two deaths tell of an outage and not of a request that is to blame for it.
func TestDeathsInAnOutageAreNoPoison(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t), testnode.Start(t)}
	e := start(t, `
[pools.main]
policy = "round_robin"
nodes = [{ address = "%s" }, { address = "%s" }, { address = "%s" }]
breaker = { consecutive_failures = 0, failure_percent = 0 }
health = { interval = "1h" }
`+anyRoute, nodes...)
	nodes[0].Always(testnode.NoAnswer)
	nodes[1].Stop()
	nodes[2].Stop()
	for range 6 { // each node is asked first once and more
		if a := e.infer(); a.status != 503 {
			t.Errorf("%d %q, want 503", a.status, a.message())
		}
	}
}

// A request that ends the process of whoever works on it ends two at most.
func TestAPoisonIsNotPutToAThirdNode(t *testing.T) {
	for name, death := range map[string]testnode.Fault{"before its answer": testnode.NoAnswer, "within it": testnode.ResetMidAnswer} {
		nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t), testnode.Start(t), testnode.Start(t)}
		e := start(t, `
[pools.main]
nodes = [{ address = "%s" }, { address = "%s" }, { address = "%s" }, { address = "%s" }]
retry = { attempts = 4 }
`+anyRoute, nodes...)
		for _, n := range nodes {
			n.Always(death)
		}
		e.infer().want(t, 502)
		died := int64(0)
		for _, n := range nodes {
			died += n.Requests()
		}
		if died != 2 {
			t.Errorf("%s: %d nodes were asked, want 2", name, died)
		}
	}
}
