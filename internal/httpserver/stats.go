package httpserver

import "sync/atomic"

// Stats counts what a server has seen since it was made. Counters only grow, except for the gauges marked so.
type Stats struct {
	Open           int64  // gauge: connections open now
	Accepted       uint64 // connections taken in
	AcceptRetries  uint64 // accepts that failed for lack of descriptors or memory and were tried again
	Refused        uint64 // connections closed at once because MaxConnections were open
	Requests       uint64 // requests given to the handler
	BadRequests    uint64 // requests refused before the handler: malformed, too large, too slow
	BodiesRejected uint64 // of these, the ones refused because MaxBodyMemory was spent
	Panics         uint64 // handlers that panicked: each is a bug
	BodyBytes      int64  // gauge: memory held by request bodies of more than 16 KiB
}

type counters struct {
	open                                  atomic.Int64
	accepted, acceptRetries, refused      atomic.Uint64
	requests, badRequests, bodies, panics atomic.Uint64
}

// Stats reads the counters. It takes no lock.
func (s *Server) Stats() Stats {
	c := &s.counters
	return Stats{
		Open:           c.open.Load(),
		Accepted:       c.accepted.Load(),
		AcceptRetries:  c.acceptRetries.Load(),
		Refused:        c.refused.Load(),
		Requests:       c.requests.Load(),
		BadRequests:    c.badRequests.Load(),
		BodiesRejected: c.bodies.Load(),
		Panics:         c.panics.Load(),
		BodyBytes:      s.bodies.Used(),
	}
}
