package backend

import "sync/atomic"

// lifetime counts who uses an instance, so that one that has been replaced is closed when the last of them is done, and no
// request meets a closed model.
type lifetime struct {
	_ [64]byte // what all requests write does not share a cache line with what they only read

	// users is the number of those who use the instance, and retiredBit once there shall be no more. One word holds both, so
	// that the last user and the one who retires the instance cannot each take the other for still busy.
	users atomic.Int64
	idle  chan struct{} // made with the instance; closed when it is retired and unused
	ended atomic.Bool   // idle is closed

	_ [64]byte
}

// retiredBit is above any count of users.
const retiredBit = 1 << 62

// enter counts a user in. It reports false when the instance has been retired.
func (l *lifetime) enter() bool {
	if l.users.Add(1)&retiredBit == 0 {
		return true
	}
	l.leave()
	return false
}

// leave counts a user out.
func (l *lifetime) leave() {
	if l.users.Add(-1) == retiredBit {
		l.end()
	}
}

// retire lets no more users in, and returns what is closed when none is left. Call it once, after the instance has been
// taken out of the catalog.
func (l *lifetime) retire() (unused <-chan struct{}) {
	if l.users.Or(retiredBit) == 0 {
		l.end()
	}
	return l.idle
}

// end may be called again: a user that comes too late is counted in and out once more.
func (l *lifetime) end() {
	if l.ended.CompareAndSwap(false, true) {
		close(l.idle)
	}
}

// acquire returns the instance that serves requests for a version of a model, "" being the highest that is ready. The
// caller releases it when it uses nothing of it any more: no tensor of its answer, nor its metrics. Until then the model
// stays open, whatever is loaded in its place.
func (s *Server) acquire(model, version string) (*instance, error) {
	for {
		in, err := s.catalog.Load().find(model, version)
		if err != nil || in.life.enter() {
			return in, err
		}
		// It was replaced in between: the catalog that replaced it is there already.
	}
}

// release ends what acquire began. Call it once.
func (in *instance) release() { in.life.leave() }
