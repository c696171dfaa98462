package httpserver

// Stats counts what a server has seen since it was made. Counters only grow, except for the gauges marked so.
type Stats struct {
	Open           int64  // gauge: connections open now
	Accepted       uint64 // connections taken in
	AcceptRetries  uint64 // accepts that failed for lack of descriptors or memory and were tried again
	Refused        uint64 // connections closed at once because MaxConnections were open
	Requests       uint64 // requests given to the handler
	BadRequests    uint64 // requests refused before the handler: malformed, too large, too slow
	Panics         uint64 // handlers that panicked: each is a bug
	BodyBytes      int64  // gauge: request body bytes in memory
	BodiesRejected uint64 // requests refused because MaxBodyMemory was spent
}

// Stats reads the counters. It takes no lock.
func (s *Server) Stats() Stats { return Stats{} }
