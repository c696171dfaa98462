package backend

import (
	"time"

	"ganglion/internal/hop"
)

// declines decides whether a request that has just come, with the condition that the node hold at most so many with it or that it
// wait no longer than within, is declined, and what the node holds without it. Nothing of the request has been read but its head, and
// nothing has been done for it.
//
// As one of many it is declined only if it would have to wait, and behind more than its gateway believed. A gateway that is alone knows what it
// has sent, so that what it believes is not improved by a decline; and where runs are shared a request that waits is no worse
// off than on a node that is about to begin: what is not told to gateways is not held against their requests either. There it matters when the next run begins, which
// a gateway that is alone cannot know exactly either.
func (s *Server) declines(x *inference, most uint8, within time.Duration) (load hop.Load, declines bool) {
	if within > 0 {
		return s.declinesToWait(x, within)
	}
	if most == 0 || s.hop.Clients() < tellCompany {
		return hop.Load{}, false
	}
	instances := x.in.scheduler.Stats().Instances
	if x.unrun <= instances {
		return hop.Load{}, false // there is an instance for each
	}
	load, worth := s.loadToTell(x)
	if !worth || load.Held() < int64(most) {
		return hop.Load{}, false
	}
	return load, true
}

// declinesToWait is declines for a request that should not wait longer than within for its run. The load that goes back has the wait for
// the model that it asks for.
func (s *Server) declinesToWait(x *inference, within time.Duration) (load hop.Load, declines bool) {
	wait := x.in.scheduler.Stats().Wait.Truncate(time.Microsecond) // as it travels
	if wait <= within {
		return hop.Load{}, false
	}
	load, _ = s.loadToTell(x)
	load.Wait = wait
	return load, true
}
