package gateway

import (
	"time"

	"ganglion/balancer"
)

// A request may end the process of whoever works on it: a bug in a library that one input in a million meets. It must not end a third.
// But when all nodes die at once, as with the host that they share, requests have been with two that died and are to blame for nothing.

const (
	// poison is how many nodes may die of one request. The second may be chance; a third would be our doing.
	poison = 2
	// outageNews is how long the news takes that other nodes are dead, too: their connections end when their processes have, some tens of
	// milliseconds apart, and circuits open after a few failures. For a poison it is a delay that its client can bear.
	outageNews = 100 * time.Millisecond
	// outageLook is the time between two looks for it.
	outageLook = 5 * time.Millisecond
)

// othersLive reports whether there is a node that has not had the request, and lives for as long as it takes to hear that it does not.
func (x *exchange) othersLive() bool {
	asked, m := x.whoMetIt(), x.model()
	for until := time.Now().Add(outageNews); m.Another(asked); time.Sleep(outageLook) {
		if !time.Now().Before(until) {
			return true
		}
	}
	return false
}

// whoMetIt are all nodes that the request was sent to, also those that may be asked once more.
func (x *exchange) whoMetIt() *balancer.Tried {
	all := new(balancer.Tried)
	for _, n := range x.tried[:min(x.attempts, maxNodes)] {
		all.Add(n.of)
	}
	return all
}
