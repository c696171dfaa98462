package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ganglion/internal/conf"
	"ganglion/internal/testnode"
)

// reload makes a configuration the gateway's.
func (e *edge) reload(config string, nodes ...*testnode.Node) (Reloaded, error) {
	addresses := make([]any, len(nodes))
	for i, n := range nodes {
		addresses[i] = n.Address()
	}
	return e.gateway.Reload(e.t.Context(), func() (*Config, conf.Problems, error) {
		cfg, warnings, err := ParseConfig("test.toml", fmt.Appendf(nil, fastServer+config, addresses...))
		if err == nil {
			cfg.Upstream = e.gateway.cfg.Upstream
			bePatient(cfg)
		}
		return cfg, warnings, err
	})
}

// Pools and routes change in every way there is while clients ask: not one request fails.
func TestReloadsCostNoRequest(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	for _, n := range []*testnode.Node{a, b} {
		n.SetDelay(3 * time.Millisecond)
	}
	e := start(t, twoNodes+anyRoute, a, b)
	c := e.clients(8)
	other := "[pools.other]\nnodes = [{ address = \"%s\" }]\n" + strings.ReplaceAll(fastHealth, "main", "other")
	for i, config := range []string{
		oneNode + anyRoute,  // another policy, and a node less: a pool of its own
		twoNodes + anyRoute, // and back
		strings.ReplaceAll(twoNodes, "address", "weight = 3, address") + anyRoute,
		strings.ReplaceAll(other, "[pools.other]", "[pools.other]\nslow_start = \"1s\"") + "[routes.\"*\"]\npool = \"other\"\n",
		twoNodes + anyRoute + "[routes.m]\npool = \"main\"\n[routes.m.shadow]\nversion = \"2\"\n",
		twoNodes + anyRoute + "timeout = \"5s\"\n",
	} {
		nodes := []*testnode.Node{a, b}
		if n := strings.Count(config, "%s"); n < 2 {
			nodes = nodes[:n]
		}
		if _, err := e.reload(config, nodes...); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
		if err := e.gateway.Ready(); err != nil {
			t.Errorf("after reload %d the gateway is not ready: %v", i, err)
		}
		asked := c.asked.Load()
		eventually(t, "more requests", func() bool { return c.asked.Load() > asked+100 })
	}
	c.stop()
	if st := e.gateway.Status().Config; st.Reloads != 6 || st.Refused != 0 {
		t.Errorf("the status is %+v", st)
	}
}

// What did not change goes on: the same members, the same counters, the same drains, the same answers.
func TestReloadKeepsWhatDidNotChange(t *testing.T) {
	a, b, c := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	const cached = anyRoute + "cache = { ttl = \"1h\" }\n"
	e := start(t, twoNodes+cached, a, b)
	for range 4 {
		e.infer("Cache-Control: no-cache").want(t, 200)
	}
	e.infer().want(t, 200)
	eventually(t, "the answer kept", func() bool { return e.metric("ganglion_cache_entries") == 1 })
	if _, err := e.gateway.Drain(DrainOrder{Node: b.Address(), On: true}); err != nil {
		t.Fatal(err)
	}
	pool, route := e.gateway.table.Load().pools[0], e.gateway.table.Load().rest
	before := e.node(a).Attempts

	three := strings.Replace(twoNodes, "}]", "}, { address = \"%s\" }]", 1)
	done, err := e.reload(three+cached, a, b, c)
	if err != nil || !slices.Equal(done.Pools.Changed, []string{"main"}) || done.Routes.Changed != nil {
		t.Errorf("a node more: %+v, %v", done, err)
	}
	if e.gateway.table.Load().pools[0] != pool || e.gateway.table.Load().rest != route {
		t.Error("a node more made another pool or route")
	}
	eventually(t, "the new node up", func() bool { return e.node(c).State == "up" })
	if got := e.node(a).Attempts; got < before || e.node(b).Draining != "operator" {
		t.Errorf("%d attempts of %d are left, and b drains by %q", got, before, e.node(b).Draining)
	}
	if x := e.infer().header.Get("X-Cache"); x != "hit" {
		t.Errorf("the cache says %q, want a hit", x)
	}

	// Another policy is another pool; its nodes stay drained, and the route's counters go on.
	done, err = e.reload(strings.Replace(three, "round_robin", "least_load", 1)+cached+"timeout = \"5s\"\n", a, b, c)
	if err != nil || !slices.Equal(done.Pools.Changed, []string{"main"}) || !slices.Equal(done.Routes.Changed, []string{"*"}) {
		t.Errorf("another policy: %+v, %v", done, err)
	}
	if e.gateway.table.Load().pools[0] == pool || e.node(b).Draining != "operator" {
		t.Errorf("another policy left the pool as it was, or lost a drain: %q", e.node(b).Draining)
	}
	if x := e.infer().header.Get("X-Cache"); x != "hit" {
		t.Errorf("the cache says %q, want a hit", x)
	}
	e.logged(7)
	if n := e.metric("ganglion_requests_total", "route", "*"); n != 7 {
		t.Errorf("%v requests are counted, want 7", n)
	}
	if n := e.metric("ganglion_reloads_total", "result", "ok"); n != 2 {
		t.Errorf("%v reloads are counted, want 2", n)
	}
}

// A configuration that is wrong changes nothing and is told.
func TestReloadOfAWrongFile(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	before := e.gateway.table.Load()
	_, err := e.reload("[pools.main]\npolcy = \"x\"\n" + anyRoute)
	if _, is := errors.AsType[conf.Problems](err); !is || !strings.Contains(err.Error(), `did you mean "policy"?`) {
		t.Errorf("got %v", err)
	}
	if st := e.gateway.Status().Config; e.gateway.table.Load() != before || st.Refused != 1 || st.Error == "" {
		t.Errorf("the status is %+v", st)
	}
	e.infer().want(t, http.StatusOK)
}

// What only a restart changes is told.
func TestReloadTellsWhatTakesARestart(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	done, err := e.reload(oneNode+anyRoute+"[cache]\nmax_bytes = \"1MiB\"\n[log]\nlevel = \"debug\"\n", n)
	if err != nil || !slices.Equal(done.Restart, []string{"log", "cache"}) {
		t.Errorf("got %+v, %v", done, err)
	}
}

// A pool that is gone finishes what it has, and lets go of its connections when nobody can need it any more.
func TestReloadLetsOldPoolsFinish(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	release := a.Hang()
	defer release()
	e := start(t, oneNode+anyRoute, a)
	got := make(chan int, 1)
	go func() {
		status, _ := e.ask()
		got <- status
	}()
	eventually(t, "a request under way", func() bool { return a.Requests() == 1 })
	old := e.gateway.table.Load().pools[0]
	if _, err := e.reload(strings.Replace(oneNode, "[pools.main]", "[pools.main]\npolicy = \"round_robin\"", 1)+anyRoute, b); err != nil {
		t.Fatal(err)
	}
	if status, err := e.ask(); status != http.StatusOK || b.Requests() != 1 {
		t.Errorf("a new request: %d, %v", status, err)
	}
	release()
	if status := <-got; status != http.StatusOK {
		t.Errorf("the request that was under way got %d", status)
	}
	if !old.runs() {
		t.Error("the old pool was stopped while an exchange may still need it")
	}
}

// runs reports whether the pool keeps its connections.
func (up *upstream) runs() bool {
	up.mu.Lock()
	defer up.mu.Unlock()
	return up.running != nil
}

// Once no exchange can need it any more, an old pool lets go of its connections.
func TestReloadDismissesOldPools(t *testing.T) {
	n := testnode.Start(t)
	// As long as this the old pool stays: long enough to be seen.
	e := start(t, oneNode+anyRoute+"timeout = \"2s\"\n", n)
	old := e.gateway.table.Load().pools[0]
	if _, err := e.reload(strings.Replace(oneNode, "[pools.main]", "[pools.main]\npolicy = \"round_robin\"", 1)+anyRoute, n); err != nil {
		t.Fatal(err)
	}
	if !old.runs() {
		t.Error("the old pool was stopped at once")
	}
	eventually(t, "the old pool's end", func() bool { return !old.runs() })
	e.infer().want(t, http.StatusOK)
}

// A reload while DNS fails goes on with the nodes that there are, even if it changes the pool.
func TestReloadWhileDiscoveryFails(t *testing.T) {
	z := newZone(t)
	n := testnode.Start(t)
	z.list(n)
	e := launch(t, fmt.Sprintf(z.pool("0s"), "")+anyRoute)
	e.awaitReady()
	z.Remove(z.name)
	if _, err := e.reload(fmt.Sprintf(z.pool("0s"), "policy = \"round_robin\"") + anyRoute); err != nil {
		t.Fatal(err)
	}
	if status, err := e.ask(); status != http.StatusOK {
		t.Errorf("got %d, %v", status, err)
	}
	e.awaitReady()
	other := testnode.Start(t)
	z.list(other)
	e.awaitMembers(other)
}
