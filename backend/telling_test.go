package backend_test

import (
	"testing"
	"time"

	"ganglion/internal/hop"
)

// TestLoadIsTold: a gateway hears of what another one has brought while the node has not answered anything yet, and of its end.
func TestLoadIsTold(t *testing.T) {
	b := newBlockingNode(t, 1)
	heard := make(chan [2]uint32, 1000)
	b.dialHopObserved(hop.Observer{Load: func(l hop.Load, own uint32) { heard <- [2]uint32{l.Queued + l.InFlight, own} }})
	await := func(want uint32) {
		t.Helper()
		for {
			select {
			case got := <-heard:
				if got[1] != 0 {
					t.Errorf("%d requests are said to be its own", got[1])
				}
				if got[0] == want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("nothing was heard of %d requests", want)
			}
		}
	}
	other := b.dialHop()
	b.waitMetric("ganglion_node_hop_connections", 2) // who is not there yet is not told
	answered := make(chan error, 1)
	go func() { answered <- other.Do(hopRequest(hop.MethodPost, "/v2/models/iris/infer", fakeRequestOf("7"))) }()
	<-b.running
	await(1)
	b.goOn <- struct{}{}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	await(0)
	if got := b.metric("ganglion_node_hop_loads_told_total"); got < 2 {
		t.Errorf("%v loads are counted", got)
	}
}
