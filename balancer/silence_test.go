package balancer

import (
	"strings"
	"testing"
	"time"
)

// TestASilentNodeAmongBusyOnesIsEjected: where requests wait for a second everywhere, answers still come every few milliseconds, and
// one that has as many to give and gives none stands out as soon as it does among idle nodes.
func TestASilentNodeAmongBusyOnesIsEjected(t *testing.T) {
	for _, policy := range policyNames {
		for name, slots := range map[string]int{"one at a time": 1, "eight at a time": 8} {
			t.Run(policy+", "+name, func(t *testing.T) {
				work := about(time.Duration(slots)*2*time.Millisecond, 0.25)
				s := newRig(t, equal(policy, 3), slots, work)
				s.play(900, 5*time.Second)
				s.play(3000, time.Second) // twice what they can do
				s.play(1400, time.Second)
				if len(s.said) > 0 {
					t.Fatalf("ejected while all were well: %q", s.said)
				}
				if p99 := s.p99(time.Second); p99 < 500*time.Millisecond {
					t.Fatalf("p99 = %s: they are not busy", p99)
				}
				s.hang(s.actor(0))
				s.play(820, time.Second)
				if got := strings.Join(s.said, "; "); !strings.Contains(got, "node 0 ejected, silent") || len(s.said) != 1 {
					t.Errorf("%q, want node 0 to be ejected and nobody else", got)
				}
			})
		}
	}
}

// TestASilentNodeIsEjectedBesideASlowOne: nobody has to take over what a node did that answers nothing.
func TestASilentNodeIsEjectedBesideASlowOne(t *testing.T) {
	s := newRig(t, equal(LeastLoad, 3), 4, about(5*time.Millisecond, 0.25))
	s.play(200, 10*time.Second)
	s.actor(0).factor = 10
	s.play(200, 2*time.Second)
	if s.ejected() != 1 {
		t.Fatalf("%q, want node 0 to be ejected", s.said)
	}
	s.hang(s.actor(1))
	s.play(200, time.Second)
	if got := strings.Join(s.said, "; "); !strings.Contains(got, "node 1 ejected, silent") {
		t.Errorf("%q, want node 1 to be ejected, too", got)
	}
}

// TestAModelNobodyAsksForIsNotSilent, whatever else its node is busy with.
func TestAModelNobodyAsksForIsNotSilent(t *testing.T) {
	s := newRig(t, equal(ConsistentHash, 4), 4, about(20*time.Millisecond, 0.25))
	busy, rare := s.pool.Know("busy"), s.pool.Know("rare")
	key, avoided := uint64(0), s.actor(0)
	for key = 1; ; key++ {
		var l Lease
		l, _ = rare.Pick(Ask{Key: key}, nil)
		at := s.actors[l.Node()]
		s.serve(at, &l, s.now)
		if at != avoided {
			break
		}
	}
	for i := range uint64(20 * 200) {
		s.advanceTo(s.now + 5*time.Millisecond)
		for k, m := range map[uint64]*Model{i: busy, key: rare} {
			l := new(Lease)
			*l, _ = m.Pick(Ask{Key: k}, nil)
			s.serve(s.actors[l.Node()], l, s.now)
		}
	}
	if len(s.said) > 0 {
		t.Errorf("%q: node 0 has nothing to answer for that model", s.said)
	}
}
