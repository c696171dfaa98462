package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"ganglion/internal/testnode"
)

// narrow is a pool of one node that takes one request at a time.
const narrow = "[pools.main]\nmax_inflight = 1\nnodes = [{ address = \"%s\" }]\n" + fastHealth

// gate lets requests through a node one by one, and remembers who was let through by their X-Name.
type gate struct {
	open  chan struct{}
	mu    sync.Mutex
	names []string
}

func gated(n *testnode.Node) *gate {
	g := &gate{open: make(chan struct{})}
	n.Always(func(_ *testnode.Node, w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.names = append(g.names, r.Header.Get("X-Name"))
		g.mu.Unlock()
		select {
		case <-g.open:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Server-Timing", "run;dur=1")
		_, _ = io.WriteString(w, `{"outputs":[]}`) // to a client that may have left
	})
	return g
}

func (g *gate) served() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.names...)
}

// waiting is how many wait in the gateway's queue.
func (e *edge) waiting() int64 { return e.gateway.Status().Pools[0].Queue.Waiting }

// join sends a request of that name and waits until n others, this one included, are in the queue.
func (e *edge) join(n int64, name, body string, headers ...string) <-chan answer {
	e.t.Helper()
	got := make(chan answer, 1)
	go func() {
		a, err := e.try("POST", inferPath, body, append(headers, "X-Name: "+name)...)
		if err != nil {
			a.body = err.Error()
		}
		got <- a
	}()
	eventually(e.t, name+" in the queue", func() bool { return e.waiting() == n })
	return got
}

// first sends a request that the node takes.
func (e *edge) first(g *gate) <-chan answer {
	e.t.Helper()
	got := e.join(0, "first", inferBody)
	eventually(e.t, "the first request at the node", func() bool { return len(g.served()) == 1 })
	return got
}

func TestRequestsWaitForAFullNodeByPriority(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\ntimeout = \"1m\"\n"+anyRoute, n)
	withPriority := func(p int) string {
		return fmt.Sprintf(`{"parameters":{"priority":%d},"inputs":[]}`, p)
	}
	all := []<-chan answer{
		e.first(g),
		e.join(1, "low", inferBody, "X-Request-Priority: 9"),
		e.join(2, "usual", inferBody),
		e.join(3, "nonsense", inferBody, "X-Request-Priority: urgent!"),
		e.join(4, "by parameter", withPriority(2)),
		e.join(5, "by header", withPriority(9), "X-Request-Priority: 1"),
		e.join(6, "zero", inferBody, "X-Request-Priority: 0"),
	}
	close(g.open)
	for _, got := range all {
		(<-got).want(t, 200)
	}
	want := []string{"first", "by header", "by parameter", "usual", "nonsense", "zero", "low"}
	if got := g.served(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("served %v, want %v", got, want)
	}
	if got := n.Last().Header.Get("X-Request-Priority"); got != "9" {
		t.Errorf("the node got the priority %q, want 9 as it was sent", got)
	}
	if got := e.metric("ganglion_queue_wait_seconds", "pool", "main"); got != 6 {
		t.Errorf("%v waits were timed, want 6", got)
	}
	if got := e.metric("ganglion_upstream_limit", "pool", "main"); got != 1 {
		t.Errorf("the limit is %v in the metrics, want 1", got)
	}
	for _, line := range e.logged(len(all)) {
		queued, _ := line["queued_ms"].(float64)
		if waited := line["upstream_ms"] != nil && queued > 0; waited == (g.served()[0] == line["name"]) && line["status"] != 200.0 {
			t.Errorf("logged %v", line)
		}
	}
}

func TestRoutesSayWhatPriorityTheirClientsGet(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\ntimeout = \"1m\"\n"+
		"[routes.\"*\"]\npool = \"main\"\npriority = { best = 4, default = 6 }\n[routes.batch]\npool = \"main\"\npriority = { default = 8 }\n", n)
	first := e.first(g)
	batch := make(chan answer, 1)
	go func() {
		a, err := e.try("POST", "/v2/models/batch/infer", inferBody, "X-Name: of a route that can wait")
		if err != nil {
			a.body = err.Error()
		}
		batch <- a
	}()
	eventually(t, "the batch in the queue", func() bool { return e.waiting() == 1 })
	all := []<-chan answer{
		first, batch,
		e.join(2, "says nothing", inferBody),
		e.join(3, "modest", inferBody, "X-Request-Priority: 5"),
		e.join(4, "claims", inferBody, "X-Request-Priority: 1"),
		e.join(5, "claims in its body", `{"parameters":{"priority":1},"inputs":[]}`),
		e.join(6, "humble", inferBody, "X-Request-Priority: 9"),
		e.join(7, "may", inferBody, "X-Request-Priority: 4"),
	}
	close(g.open)
	for _, got := range all {
		(<-got).want(t, 200)
	}
	// Six places go by priority; the eighth would go to who has waited longest.
	want := []string{"first", "claims", "claims in its body", "may", "modest", "says nothing", "of a route that can wait", "humble"}
	if got := g.served(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("served %q, want %q", got, want)
	}
	logged := map[float64]int{}
	for _, line := range e.logged(len(all)) {
		p, _ := line["priority"].(float64)
		logged[p]++
	}
	if want := map[float64]int{0: 1, 4: 3, 5: 1, 6: 1, 8: 1, 9: 1}; fmt.Sprint(logged) != fmt.Sprint(want) {
		t.Errorf("logged priorities %v, want %v", logged, want)
	}
}

func TestTheTimeInTheQueueIsTold(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\ntimeout = \"1m\"\n"+anyRoute, n)
	first, second := e.first(g), e.join(1, "second", inferBody)
	close(g.open)
	if got := (<-first).want(t, 200).header.Get("Server-Timing"); strings.Contains(got, "queue") {
		t.Errorf("Server-Timing of one who did not wait: %q", got)
	}
	if got := (<-second).want(t, 200).header.Get("Server-Timing"); !strings.Contains(got, "edge-queue;dur=") {
		t.Errorf("Server-Timing of one who waited: %q, want the time in the queue", got)
	}
	lines := e.logged(2) // in the order in which answers were written
	if (lines[0]["queued_ms"] == nil) == (lines[1]["queued_ms"] == nil) {
		t.Errorf("logged %v, want queued_ms for one of them", lines)
	}
}

func TestRefusalsOfTheQueueAreQuickAndSayWhy(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\nmax = 1\ntimeout = \"1m\"\n"+anyRoute, n)
	first, second := e.first(g), e.join(1, "second", inferBody)
	a := e.infer().want(t, 503)
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("Retry-After: %q, want whole seconds", a.header.Get("Retry-After"))
	}
	for _, part := range []string{"pools.main.max_inflight", "pools.main.queue.max", "try again"} {
		if !strings.Contains(a.message(), part) {
			t.Errorf("the refusal %q does not name %q", a.message(), part)
		}
	}
	if got := e.metric("ganglion_queue_refused_total", "pool", "main", "reason", "queue_full"); got != 1 {
		t.Errorf("%v refusals were counted, want 1", got)
	}
	if got := e.logged(1)[0]; got["reason"] != "saturated" || !strings.Contains(fmt.Sprint(got["error"]), "queue_full") {
		t.Errorf("logged %v, want the reason saturated", got)
	}
	close(g.open)
	(<-first).want(t, 200)
	(<-second).want(t, 200)
}

func TestWhoWaitsForTooLongIsRefused(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\ntimeout = \"20ms\"\n"+anyRoute, n)
	first := e.first(g)
	a := e.infer().want(t, 503)
	if !strings.Contains(a.message(), "pools.main.queue.timeout") {
		t.Errorf("the refusal %q does not name the time that was up", a.message())
	}
	close(g.open)
	(<-first).want(t, 200)
}

func TestAClientThatLeavesTheQueueMakesRoom(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\ntimeout = \"1m\"\n"+anyRoute, n)
	first := e.first(g)
	leave := e.inferAndLeave("X-Name: gone")
	eventually(t, "one in the queue", func() bool { return e.waiting() == 1 })
	if err := leave(); err == nil {
		t.Fatal("the client that left got an answer")
	}
	eventually(t, "nobody in the queue", func() bool { return e.waiting() == 0 })
	if got := e.logged(1)[0]; got["reason"] != "client_gone" || got["status"] != 499.0 {
		t.Errorf("logged %v, want client_gone", got)
	}
	close(g.open)
	(<-first).want(t, 200)
	if got := g.served(); len(got) != 1 {
		t.Errorf("the node got %v, want the first alone", got)
	}
}

func TestCallsWaitAndAreRefusedLikeRequests(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\nmax = 1\ntimeout = \"1m\"\n"+anyRoute, n)
	first := e.first(g)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := e.calls().ModelInfer(ctx, question("m", "", 1))
		left <- err
	}()
	eventually(t, "the call in the queue", func() bool { return e.waiting() == 1 })

	var header, trailer metadata.MD
	_, err := e.calls().ModelInfer(t.Context(), question("m", "", 1), grpc.Header(&header), grpc.Trailer(&trailer))
	if text := wantCode(t, err, codes.Unavailable); !strings.Contains(text, "pools.main.queue.max") {
		t.Errorf("the refusal %q does not name the limit", text)
	}
	if len(header.Get("retry-after"))+len(trailer.Get("retry-after")) == 0 {
		t.Errorf("the refusal does not say when to come back: %v %v", header, trailer)
	}
	if ms, err := strconv.Atoi(strings.Join(trailer.Get("grpc-retry-pushback-ms"), "")); err != nil || ms < 1000 {
		t.Errorf("grpc-retry-pushback-ms: %v, want a second or more", trailer)
	}

	leave()
	wantCode(t, <-left, codes.Canceled)
	eventually(t, "nobody in the queue", func() bool { return e.waiting() == 0 })
	close(g.open)
	(<-first).want(t, 200)
}

func TestRequestsThatWaitAreCountedInTheMemoryForBodies(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, "[server]\ndrain_delay = \"0s\"\nmax_body = \"1MiB\"\nmax_body_memory = \"4MiB\"\n"+
		narrow+"[pools.main.queue]\ntimeout = \"1m\"\n"+anyRoute, n)
	first := e.first(g)
	body := `{"inputs":[],"filler":"` + string(bytes.Repeat([]byte("x"), 900<<10)) + `"}`
	const flood = 40
	got := make(chan answer, flood)
	for range flood {
		go func() {
			a, err := e.try("POST", inferPath, body)
			if err != nil {
				a.body = err.Error()
			}
			got <- a
		}()
	}
	// Four MiB hold four of them. All others are refused, whatever room the queue has for requests.
	eventually(t, "all refused that there is no memory for", func() bool { return len(got)+int(e.waiting()) == flood })
	waiting := int(e.waiting())
	if waiting < 1 || waiting > 4 {
		t.Errorf("%d wait, want one to four", waiting)
	}
	for range flood - waiting {
		if a := <-got; a.status != 503 || !strings.Contains(a.message(), "max_body_memory") {
			t.Errorf("%d %q, want a refusal that names max_body_memory", a.status, a.body)
		}
	}
	if used := e.metric("ganglion_request_body_bytes"); used > 4<<20 {
		t.Errorf("bodies take %v bytes, want 4 MiB at most", used)
	}
	close(g.open)
	(<-first).want(t, 200)
	for range waiting {
		(<-got).want(t, 200)
	}
}

func TestTheShadowDoesNotTakeWhatOthersWaitFor(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\ntimeout = \"1m\"\n[routes.m]\npool = \"main\"\n[routes.m.shadow]\nversion = \"2\"\npercent = 100\n", n)
	first := e.first(g)
	second, third := e.join(1, "second", inferBody), e.join(2, "third", inferBody)
	g.open <- struct{}{}
	(<-first).want(t, 200)
	eventually(t, "the copy refused", func() bool { return e.metric("ganglion_shadow_failed_total") == 1 })
	close(g.open)
	(<-second).want(t, 200)
	(<-third).want(t, 200)
	if got := g.served()[:3]; fmt.Sprint(got) != "[first second third]" {
		t.Errorf("served %v, want those who waited before any copy", got)
	}
}

func TestRefusalsTakeNoTime(t *testing.T) {
	n := testnode.Start(t)
	g := gated(n)
	e := start(t, narrow+"[pools.main.queue]\nmax = 0\n"+anyRoute, n)
	first := e.first(g)
	for range 50 {
		e.infer().want(t, 503)
	}
	if took := e.logged(50)[49]["ms"].(float64); took > (5*time.Second).Seconds()*1000 {
		t.Errorf("a refusal took %v ms", took)
	}
	close(g.open)
	(<-first).want(t, 200)
}
