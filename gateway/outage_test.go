package gateway

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

// load keeps clients busy until stop is called, which returns how many requests were made and how many failed.
func load(t *testing.T, e *edge, clients int) (stop func() (made, failed int64)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var made, failed atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for ctx.Err() == nil {
				a, err := e.try("POST", inferPath, inferBody)
				made.Add(1)
				if err != nil || a.status != 200 {
					failed.Add(1)
					t.Logf("%d %q %v", a.status, a.body, err)
				}
			}
		})
	}
	return func() (int64, int64) {
		cancel()
		group.Wait()
		return made.Load(), failed.Load()
	}
}

func TestANodeDiesAndComesBackUnderLoad(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	a.SetDelay(2 * time.Millisecond)
	b.SetDelay(2 * time.Millisecond)
	e := start(t, twoNodes+"[pools.main.breaker]\nopen_time = \"50ms\"\n"+anyRoute, a, b)
	stop := load(t, e, 16)
	for range 3 {
		before := a.Requests()
		eventually(t, "both nodes at work", func() bool { return a.Requests() > before+20 })
		a.Stop() // every connection breaks, with requests on it
		eventually(t, "the node's death noticed", func() bool { return e.gateway.Status().Pools[0].Nodes[0].State == "down" })
		a.Restart()
	}
	before := a.Requests()
	eventually(t, "the node back at work", func() bool { return a.Requests() > before+20 })
	if made, failed := stop(); failed > 0 {
		t.Errorf("%d of %d requests failed", failed, made)
	}
}

func TestACircuitOpens(t *testing.T) {
	bad, good := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+"[pools.main.breaker]\nconsecutive_failures = 3\nopen_time = \"1h\"\n[routes.m]\npool = \"main\"\n", bad, good)
	bad.FailAlways(500) // its probes are fine: only the breaker can tell
	for range 20 {
		e.infer().want(t, 200)
	}
	if got := bad.Requests(); got != 3 {
		t.Errorf("the bad node was asked %d times, want 3", got)
	}
	if got := e.metric("ganglion_upstream_model_circuit", "node", bad.Address(), "model", "m"); got != 2 {
		t.Errorf("the model's circuit is %v in the metrics, want 2 (open)", got)
	}
	if got := e.metric("ganglion_upstream_circuit", "node", bad.Address()); got != 0 {
		t.Errorf("the node's own circuit is %v in the metrics, want 0 (closed): it answers", got)
	}
}

func TestWithoutAnyNodeTheRefusalIsQuick(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	n.Stop()
	eventually(t, "the node down for that reason", func() bool {
		st := e.gateway.Status().Pools[0].Nodes[0]
		return st.State == "down" && strings.Contains(st.Cause, "refused") && e.gateway.Ready() != nil
	})
	began := time.Now()
	got := e.infer().want(t, 503)
	took := time.Since(began)
	if took > 10*time.Second { // it waits for nothing, and the route's own timeout is 30 s; how quick it is, benchmarks tell
		t.Errorf("the refusal took %s", took)
	}
	if after, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || after < 1 || got.message() == "" {
		t.Errorf("Retry-After %q, error %q", got.header.Get("Retry-After"), got.message())
	}
	e.do("GET", "/v2/health/ready", "").want(t, 503)
	e.do("GET", "/v2/health/live", "").want(t, 200)
	if line := e.logged(1)[0]; line["reason"] != "no_node" || line["attempts"] != 0.0 {
		t.Errorf("the log says %v", line)
	}
	n.Restart()
	eventually(t, "the node back", func() bool { return e.gateway.Ready() == nil })
	e.infer().want(t, 200)
}

func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	release := n.Hang()
	defer release()
	got := make(chan answer, 1)
	go func() {
		a, err := e.try("POST", inferPath, inferBody)
		if err != nil {
			t.Errorf("the request in flight: %v", err)
		}
		got <- a
	}()
	eventually(t, "the request at the node", func() bool { return n.Requests() == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- e.stop() }()
	eventually(t, "the drain", func() bool { return e.gateway.Ready() != nil })
	eventually(t, "the listener closed", func() bool {
		_, err := e.try("GET", "/v2/health/live", "", "Connection: close")
		return err != nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("the gateway ended (%v) with a request in flight", err)
	default:
	}
	release()
	a := <-got
	if a.status != 200 || a.node() != n.Name() {
		t.Errorf("the request in flight got %d %q", a.status, a.body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the drain ended with: %v", err)
	}
	if lines := e.log.Lines(); len(lines) == 0 {
		t.Error("the last request is not in the access log")
	}
}

func TestReadinessFailsBeforeTheListenerCloses(t *testing.T) {
	n := testnode.Start(t)
	t.Parallel() // two requests need no time to speak of, but have to be made within the delay
	e := start(t, "[server]\ndrain_delay = \"5s\"\n"+oneNode+anyRoute, n)
	stopped := make(chan error, 1)
	go func() { stopped <- e.stop() }()
	eventually(t, "the drain", func() bool { return e.gateway.Ready() != nil })
	a, err := e.try("GET", "/v2/health/ready", "")
	if err != nil || a.status != 503 || a.message() != "not ready: draining" {
		t.Errorf("readiness while draining: %d %q %v, want a 503", a.status, a.body, err)
	}
	if a, err := e.try("POST", inferPath, inferBody); err != nil || a.status != 200 {
		t.Errorf("a request within the delay: %d %v, want it served", a.status, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the drain ended with: %v", err)
	}
}
