package gateway

import (
	"sync/atomic"
	"time"
)

// dialPatience is how long a request waits for a connection to its node while another node is fit: upstream.connect_timeout is for
// nodes that nobody can stand in for, and for links of which nothing is known yet. A queue of connections that is full, or a lost
// packet, then costs a request a fraction of a second. It is as much longer than connections took of late as an answer to a question
// after a sign of life may be, and it doubles with each connection that was given up, so that a link that has become slow is found out.
type dialPatience struct {
	most time.Duration // upstream.connect_timeout
	peer peer          // nil = nobody knows of other nodes
	now  atomic.Int64  // nanoseconds; 0 = no connection has been made yet
}

// dialLeast is more than a connection takes between continents, and less than a lost packet: TCP sends it again after a second.
const dialLeast = 250 * time.Millisecond

// forNext is how long the next request may wait, and whether that is less than connect_timeout because others are fit.
func (d *dialPatience) forNext(patient bool) (wait time.Duration, short bool) {
	wait = time.Duration(d.now.Load())
	if wait == 0 || wait >= d.most || patient || d.peer == nil || !d.peer.Spared() {
		return d.most, false
	}
	return wait, true
}

// made takes in how long a connection took.
func (d *dialPatience) made(took time.Duration) {
	d.now.Store(int64(max(dialLeast, patienceTimes*took)))
}

// ranOut takes in that one was given up that was to take so long at most. The node gets nothing new until a probe finds it well: one
// is sent at once.
func (d *dialPatience) ranOut(wait time.Duration) {
	d.now.CompareAndSwap(int64(wait), int64(2*wait)) // of those who waited together, one doubles it
	d.peer.Suspect()
}
