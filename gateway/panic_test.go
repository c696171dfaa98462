package gateway

import (
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"ganglion/internal/testnode"
)

// panicking is a transport with a bug.
type panicking struct{ transport }

func (panicking) roundTrip(*outbound, *fasthttp.Response) error { panic("test") }

func TestAPanicCostsOneRequest(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	node := e.gateway.table.Load().pools[0].nodes()[0]
	good := node.transport
	node.transport = panicking{good}
	got := e.infer().want(t, 500)
	if got.message() == "" || strings.Contains(got.body, "panic") {
		t.Errorf("the client reads %q", got.body)
	}
	// The line is written after the answer: before the next request, whose own line could otherwise come first.
	if line := e.logged(1)[0]; line["reason"] != "panic" || line["status"] != 500.0 {
		t.Errorf("the log says %v", line)
	}
	node.transport = good
	e.infer().want(t, 200)
	if got := e.metric("ganglion_panics_total"); got != 1 {
		t.Errorf("%v panics are counted, want 1", got)
	}
	// The lease was given back, and nobody was blamed.
	eventually(t, "nothing in flight", func() bool {
		st := e.gateway.Status()
		return st.InFlight == 0 && st.Pools[0].Nodes[0].InFlight == 0 && st.Pools[0].Nodes[0].Failures == 0
	})
}

// What follows an answer has no server around it that would recover.
func TestAPanicAfterTheAnswerCostsNothing(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	histogram := e.gateway.table.Load().rest.stable.metrics.duration
	e.gateway.table.Load().rest.stable.metrics.duration = nil
	e.infer().want(t, 200)
	eventually(t, "the panic counted", func() bool { return e.gateway.panics.Load() == 1 })
	e.gateway.table.Load().rest.stable.metrics.duration = histogram
	e.infer().want(t, 200)
}
