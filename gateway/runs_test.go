package gateway

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/hop"
)

// Nodes that say when their runs begin are told how long a request may wait there, and decline it if that is too short. It is answered all the
// same, and nobody is blamed.
func TestRequestsForARunSayHowLongTheyMayWait(t *testing.T) {
	nodes := ownNodes(t, 2)
	var declined atomic.Int64
	late := hop.Load{Known: true, InFlight: 4, Wait: time.Hour}
	for _, n := range nodes {
		n.SetModelLoad(hop.Load{Known: true, InFlight: 4, Wait: 50 * time.Millisecond, Batch: 16})
		n.Decline(func(req *hop.Request) (hop.Load, bool) {
			if req.Within <= 0 || req.Allows(late) {
				return hop.Load{}, false
			}
			declined.Add(1)
			return late, true
		})
	}
	e := start(t, "[pools.main]\nnodes = [{ address = \"%s\" }, { address = \"%s\" }]\n"+fastHealth+anyRoute, nodes...)
	e.awaitHops("hop", "hop")
	for range 50 {
		e.infer().want(t, 200)
	}
	if declined.Load() == 0 {
		t.Error("no request said how long it may wait for its run")
	}
	counted := 0.0
	for _, n := range nodes {
		counted += e.metric("ganglion_declined_attempts_total", "node", n.Address())
	}
	if counted != float64(declined.Load()) {
		t.Errorf("%v declined attempts are counted, want %d", counted, declined.Load())
	}
}

// A node in whose place an older one comes, or another server, is not chosen by what it said of its runs last.
func TestRunsOfANodeThatWasReplacedAreForgotten(t *testing.T) {
	nodes := ownNodes(t, 2)
	for _, n := range nodes {
		n.SetModelLoad(hop.Load{Known: true, InFlight: 4, Wait: 50 * time.Millisecond, Batch: 16})
	}
	e := start(t, "[pools.main]\nnodes = [{ address = \"%s\" }, { address = \"%s\" }]\n"+fastHealth+anyRoute, nodes...)
	e.awaitHops("hop", "hop")
	runs := func() (known int) {
		why, err := e.gateway.Explain(Question{Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range why.Pool.Candidates {
			if strings.Contains(strings.Join(c.Parts, ", "), "a run takes") {
				known++
			}
		}
		return known
	}
	asked := func() int {
		e.infer().want(t, 200)
		return runs()
	}
	eventually(t, "it is known when both begin runs", func() bool { return asked() == 2 })
	for _, n := range nodes {
		n.SpeakHop(false)
		n.CutHops()
	}
	e.awaitHops("http/1.1", "http/1.1")
	eventually(t, "it is known of none any more", func() bool { return asked() == 0 })
}
