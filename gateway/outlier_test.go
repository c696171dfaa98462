package gateway

import (
	"strings"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

const quickEjections = "[pools.main.outlier]\nejection_time = \"200ms\"\nmax_ejection_time = \"400ms\"\n"

// ejected is why the model is ejected from a node, by its place.
func (e *edge) ejected(node int, model string) string {
	for _, m := range e.gateway.Status().Pools[0].Nodes[node].Models {
		if m.Model == model {
			return m.Ejected
		}
	}
	return ""
}

// TestASlowNodeIsEjectedAndComesBack, over real sockets. Every node gets as much, so that only the ejection can keep clients from the
// slow one.
func TestASlowNodeIsEjectedAndComesBack(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t), testnode.Start(t), testnode.Start(t)}
	for _, n := range nodes {
		n.SetDelay(5 * time.Millisecond)
	}
	e := start(t, "[pools.main]\npolicy = \"round_robin\"\nnodes = [{ address = \"%s\" }, { address = \"%s\" }, { address = \"%s\" }, { address = \"%s\" }]\n"+
		quickEjections+fastHealth+"[routes.m]\npool = \"main\"\n", nodes...)
	stop := load(t, e, 16)
	sick := nodes[2]
	eventually(t, "some traffic", func() bool { return sick.Requests() > 100 })
	sick.SetDelay(2 * time.Second) // far more than a busy machine makes of 5 ms
	eventually(t, "the slow node to be ejected", func() bool { return e.ejected(2, "m") != "" })
	if got := e.metric("ganglion_upstream_ejections_total", "node", sick.Address()); got < 1 {
		t.Errorf("%v ejections are counted", got)
	}

	// While it is slow it is tried by a request at a time, and the others do the work.
	before, others := sick.Requests(), nodes[0].Requests()
	eventually(t, "500 more requests on another node", func() bool { return nodes[0].Requests() > others+500 })
	if got := sick.Requests() - before; got > 50 {
		t.Errorf("the slow node got %d requests while another one got 500", got)
	}
	sick.SetDelay(5 * time.Millisecond)
	eventually(t, "the node to return", func() bool { return e.ejected(2, "m") == "" })
	before = sick.Requests()
	eventually(t, "its share", func() bool { return sick.Requests() > before+50 })
	if made, failed := stop(); failed > 0 {
		t.Errorf("%d of %d requests failed", failed, made)
	}
}

// TestASilentNodeIsEjected: one that takes requests and answers none, but its probes.
func TestASilentNodeIsEjected(t *testing.T) {
	a, b, c := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	e := start(t, "[pools.main]\nnodes = [{ address = \"%s\" }, { address = \"%s\" }, { address = \"%s\" }]\n"+
		fastHealth+"[routes.m]\npool = \"main\"\ntimeout = \"1h\"\n", a, b, c)
	stop := load(t, e, 16)
	eventually(t, "some traffic", func() bool { return a.Requests() > 100 })
	release := a.Hang()
	eventually(t, "the silent node to be ejected", func() bool { return strings.HasPrefix(e.ejected(0, "m"), "silent ") })
	release()
	a.Heal()
	eventually(t, "the node to return with its answers", func() bool { return e.ejected(0, "m") == "" })
	if made, failed := stop(); failed > 0 {
		t.Errorf("%d of %d requests failed", failed, made)
	}
}
