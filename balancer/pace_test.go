package balancer

import (
	"testing"
	"time"
)

// TestAPauseIsNoPace: a node that stood still for a moment gets its share again when that is over.
func TestAPauseIsNoPace(t *testing.T) {
	for _, pause := range []time.Duration{100 * time.Millisecond, 300 * time.Millisecond} {
		s := newRig(t, equal(LeastLoad, 2), 1, about(2*time.Millisecond, 0.25))
		s.play(100, 5*time.Second)
		a := s.actor(1)
		a.slots[0] = max(a.slots[0], s.now) + pause
		s.play(100, 2*pause)
		before, answered := a.picks, len(s.took)
		s.play(100, 2*time.Second)
		if share := float64(a.picks-before) / float64(len(s.took)-answered); share < 0.4 {
			t.Errorf("after a pause of %s it gets %.0f %% for 2 s, want half", pause, 100*share)
		}
	}
}
