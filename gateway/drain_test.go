package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ganglion/internal/testnode"
)

// Nodes are drained and let back while clients ask: not one request fails, and a drained node that is empty gets none.
func TestDrainCostsNoRequest(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
	e := start(t, twoNodes+anyRoute, nodes...)
	c := e.clients(8)
	for round := range 4 {
		n := nodes[round%2]
		all, err := e.gateway.Drain(DrainOrder{Node: n.Address(), On: true})
		if err != nil || len(all) != 1 || !all[0].Drained || all[0].Alone || all[0].Pool != "main" {
			t.Fatalf("drain: %+v, %v", all, err)
		}
		eventually(t, "the node being empty", func() bool { return e.node(n).InFlight == 0 })
		before, asked := n.Requests(), c.asked.Load()
		eventually(t, "fifty more requests", func() bool { return c.asked.Load() > asked+50 })
		// Each client may have been choosing when the order came.
		if got := n.Requests(); got > before+8 || e.node(n).Draining != "operator" {
			t.Errorf("a drained node got %d more requests; it drains by %q", got-before, e.node(n).Draining)
		}
		if _, err := e.gateway.Drain(DrainOrder{Node: n.Address()}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the node being asked again", func() bool { return n.Requests() > before })
	}
	c.stop()
}

// node is the status of a node in the first pool.
func (e *edge) node(n *testnode.Node) NodeStatus {
	for _, st := range e.gateway.Status().Pools[0].Nodes {
		if st.Address == n.Address() {
			return st
		}
	}
	return NodeStatus{}
}

// The last node that takes requests is not drained by mistake.
func TestLastNodeIsNotDrained(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRoute, a, b)
	order := func(n *testnode.Node, force bool) error {
		_, err := e.gateway.Drain(DrainOrder{Node: n.Address(), On: true, Force: force})
		return err
	}
	if err := order(a, false); err != nil {
		t.Fatal(err)
	}
	if err := order(a, false); err != nil {
		t.Errorf("what is drained cannot be drained again: %v", err)
	}
	if err := order(b, false); !errors.Is(err, ErrLastNode) || !strings.Contains(err.Error(), `no other node of pool "main" takes requests`) || e.node(b).Draining != "" {
		t.Errorf("the last one: %v, and it drains by %q", err, e.node(b).Draining)
	}
	// Forced, it is drained and serves nevertheless.
	if err := order(b, true); err != nil || e.node(b).Draining != "operator" {
		t.Errorf("forced: %v", err)
	}
	e.infer().want(t, http.StatusOK)
	// A node that is down is none that could be lost.
	if _, err := e.gateway.Drain(DrainOrder{Node: b.Address()}); err != nil {
		t.Fatal(err)
	}
	b.SetReady(false)
	eventually(t, "the node being down", func() bool { return e.node(b).State == "down" })
	if err := order(b, false); err != nil {
		t.Errorf("a node that is down: %v", err)
	}
}

func TestOrdersForNodesThatAreNotThere(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+"[routes.m]\npool = \"main\"\n[routes.n]\npool = \"next\"\n", a, b)
	f := func(node, pool, want string) {
		t.Helper()
		all, err := e.gateway.Drain(DrainOrder{Node: node, Pool: pool, On: true})
		if !errors.Is(err, ErrUnknownNode) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q in %q: %+v, %v, want %q", node, pool, all, err, want)
		}
	}
	f(a.Address()+"0", "", fmt.Sprintf("no pool has a node %q; did you mean %q?", a.Address()+"0", a.Address()))
	f("127.0.0.1", "main", fmt.Sprintf(`pool "main" has no node "127.0.0.1"; did you mean %q?`, a.Address()))
	f("other:1", "main", `pool "main" has no node "other:1"; there are `+a.Address())
	f(a.Address(), "mian", `no pool is named "mian"; did you mean "main"?`)
	f(a.Address(), "next", `pool "next" has no node`)
}

// A node in several pools is one process: it is drained in all, or in the one that is named.
func TestNodeOfSeveralPools(t *testing.T) {
	shared, other := testnode.Start(t), testnode.Start(t)
	pool := "nodes = [{ address = \"%s\" }, { address = \"%s\" }]\n"
	e := start(t, "[pools.main]\n"+pool+fastHealth+"[pools.next]\n"+pool+strings.ReplaceAll(fastHealth, "main", "next")+
		"[routes.m]\npool = \"main\"\n[routes.n]\npool = \"next\"\n", shared, other, shared, other)
	all, err := e.gateway.Drain(DrainOrder{Node: shared.Address(), On: true})
	if err != nil || len(all) != 2 || all[0].Pool != "main" || all[1].Pool != "next" {
		t.Errorf("everywhere: %+v, %v", all, err)
	}
	all, err = e.gateway.Drain(DrainOrder{Node: shared.Address(), Pool: "next"})
	if err != nil || len(all) != 1 || all[0].Pool != "next" || e.node(shared).Draining != "operator" {
		t.Errorf("back in one: %+v, %v", all, err)
	}
}

// A drained node that leaves the list comes back drained, and can be let back while it is away.
func TestDrainSurvivesDiscovery(t *testing.T) {
	z := newZone(t)
	a, b := testnode.Start(t), testnode.Start(t)
	z.list(a, b)
	e := launch(t, fmt.Sprintf(z.pool("0s"), "")+anyRoute)
	away := func() {
		t.Helper()
		z.list(b)
		eventually(t, "the node gone", func() bool { return len(e.gateway.Status().Pools[0].Nodes) == 1 })
	}
	back := func(draining string) {
		t.Helper()
		z.list(a, b)
		eventually(t, "the node back", func() bool { return e.node(a).State == "up" })
		if got := e.node(a).Draining; got != draining {
			t.Errorf("the node is back and drains by %q, want %q", got, draining)
		}
	}
	back("")
	eventually(t, "the other one up", func() bool { return e.node(b).State == "up" })
	if _, err := e.gateway.Drain(DrainOrder{Node: a.Address(), On: true}); err != nil {
		t.Fatal(err)
	}
	away()
	back("operator")
	away()
	all, err := e.gateway.Drain(DrainOrder{Node: a.Address()})
	if err != nil || len(all) != 1 || all[0].State != "gone" {
		t.Errorf("let back while away: %+v, %v", all, err)
	}
	back("")
}
