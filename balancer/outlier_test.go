package balancer

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestTenfoldSlowNodeIsOutWithinTwoSeconds is the figure that the feature is held to: one of 8 nodes slows tenfold at 500 requests
// a second.
func TestTenfoldSlowNodeIsOutWithinTwoSeconds(t *testing.T) {
	for _, policy := range policyNames {
		for name, slots := range map[string]int{"one at a time": 1, "eight at a time": 8} {
			t.Run(policy+", "+name, func(t *testing.T) {
				cfg := equal(policy, 8)
				s := newRig(t, cfg, slots, about(5*time.Millisecond, 0.25))
				s.play(500, 10*time.Second)
				before := s.p99(5 * time.Second)
				if len(s.said) > 0 {
					t.Fatalf("ejected while all were well: %q", s.said)
				}
				slow := s.actor(3)
				slow.factor = 10
				s.play(500, 2*time.Second)
				if got := strings.Join(s.said, "; "); !strings.Contains(got, "node 3 ejected") || len(s.said) != 1 {
					t.Fatalf("within 2s: %q, want node 3 to be ejected and nobody else", got)
				}
				picks := slow.picks
				s.play(500, 3*time.Second)
				if slow.picks != picks {
					t.Errorf("%d more requests for it in 3s", slow.picks-picks)
				}
				s.play(500, time.Second)
				if after := s.p99(time.Second); after > before*5/4 {
					t.Errorf("p99 after 5s = %s, before: %s", after, before)
				}
				t.Logf("%q, p99 %s before, %s after", s.said, before, s.p99(time.Second))
			})
		}
	}
}

// TestEqualNodesAreNotEjected plays an hour, all in all, with nodes that are alike and times that vary by orders of magnitude.
func TestEqualNodesAreNotEjected(t *testing.T) {
	for name, c := range map[string]struct {
		slots int
		work  func(*rand.Rand) time.Duration
	}{
		"lognormal, one at a time":   {1, about(20*time.Millisecond, 1)},
		"lognormal, four at a time":  {4, about(50*time.Millisecond, 1.5)},
		"Pareto, two at a time":      {2, pareto(16*time.Millisecond, 1.5)},
		"exponential, one at a time": {1, about(0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "exponential, one at a time" {
				c.work = func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * 32e6) }
			}
			s := newRig(t, equal(LeastLoad, 16), c.slots, c.work)
			s.play(250, long(15*time.Minute))
			t.Logf("%d requests, %q", len(s.took), s.said)
			if strings.Contains(strings.Join(s.said, ""), "slow") {
				t.Errorf("ejected for being slow among equals: %q", s.said)
			}
			// With Pareto's times, a node is now and then stuck in two requests of many seconds, which is no mistake.
			if len(s.said) > 12 {
				t.Errorf("%d ejections and returns of nodes that are alike", len(s.said))
			}
		})
	}
}

// TestANodeThatFinishesLongRequestsIsNotSlow: while it gets nothing new, it answers what takes long, and nothing else.
func TestANodeThatFinishesLongRequestsIsNotSlow(t *testing.T) {
	oneInTenIsLong := func(r *rand.Rand) time.Duration {
		if r.Float64() < 0.1 {
			return time.Duration((0.7 + 0.6*r.Float64()) * float64(time.Second))
		}
		return time.Millisecond
	}
	s := newRig(t, equal(LeastLoad, 8), 64, oneInTenIsLong)
	for range 2 {
		s.play(1500, 5*time.Second)
		s.play(200, 5*time.Second)
	}
	if len(s.said) > 0 {
		t.Errorf("%q", s.said)
	}
}

// long is how long to play until it is clear that nothing happens: less under the race detector, for which there is nothing to see.
func long(d time.Duration) time.Duration {
	if raceEnabled {
		return d / 100
	}
	return d
}

func pareto(least time.Duration, exponent float64) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration {
		return min(time.Duration(float64(least)*math.Pow(1-r.Float64(), -1/exponent)), 10*time.Second)
	}
}

func TestSlowOneOfTwoIsEjected(t *testing.T) {
	for _, policy := range policyNames {
		s := newRig(t, equal(policy, 2), 4, about(5*time.Millisecond, 0.25))
		s.play(100, 10*time.Second)
		s.actor(1).factor = 10
		s.play(100, 5*time.Second)
		if len(s.said) != 1 || !strings.Contains(s.said[0], "node 1 ejected, slow") {
			t.Errorf("%s: %q, want node 1 to be ejected", policy, s.said)
		}
	}
}

// TestEjectedNodeReturnsWhenItIsWell, after few requests, and one that is still slow costs few.
func TestEjectedNodeReturnsWhenItIsWell(t *testing.T) {
	s := newRig(t, equal(LeastLoad, 4), 1, about(5*time.Millisecond, 0.25))
	s.play(200, 5*time.Second)
	sick := s.actor(2)
	sick.factor = 10
	s.play(200, 10*time.Second)
	if s.ejected() != 1 {
		t.Fatalf("%q, want node 2 to be ejected", s.said)
	}
	picks := sick.picks
	s.play(200, 5*time.Minute)
	// After 5, 10, 20, 40 s and then every minute or a little later: two each time.
	if got := sick.picks - picks; got < 6 || got > 20 {
		t.Errorf("%d requests in 5 minutes on a node that stays slow, want two for each of 4 to 9 looks", got)
	}
	if s.ejected() != 1 {
		t.Errorf("it is back though it is slow: %q", s.said)
	}
	sick.factor = 1
	said := len(s.said)
	s.play(200, 75*time.Second) // the longest ejection, a fifth longer by chance
	if s.ejected() != 0 || !strings.Contains(strings.Join(s.said[said:], ""), "node 2 returned") {
		t.Fatalf("it is not back a minute after it is well: %q", s.said)
	}
	picks = sick.picks
	s.play(200, 20*time.Second)
	// A fourth, but for how ties are shared out: at this load they give this node about 700, sick before or not.
	if got := sick.picks - picks; got < 600 || s.ejected() != 0 {
		t.Errorf("%d of 4000 requests after its return, want about 700; %q", got, s.said)
	}
}

func TestSilentNodeIsEjectedAndItsAnswerBringsItBack(t *testing.T) {
	for _, policy := range policyNames {
		s := newRig(t, equal(policy, 4), 4, about(5*time.Millisecond, 0.25))
		s.play(200, 5*time.Second)
		s.actor(0).hung = true
		s.play(200, time.Second)
		if len(s.said) != 1 || !strings.Contains(s.said[0], "node 0 ejected, silent") {
			t.Fatalf("%s: after a second: %q, want node 0 to be ejected", policy, s.said)
		}
		if got := len(s.actor(0).held); got > 60 {
			t.Errorf("%s: %d requests hang, want those of about half a second", policy, got)
		}
		s.wake(s.actor(0))
		s.play(200, time.Second)
		if s.ejected() != 0 {
			t.Errorf("%s: not back after it has answered: %q", policy, s.said)
		}
	}
}

// TestANodeThatAnswersOnceInAWhileStaysOut: each of its answers ends a silence, but the second one is believed.
func TestANodeThatAnswersOnceInAWhileStaysOut(t *testing.T) {
	s := newRig(t, equal(RoundRobin, 4), 1, about(5*time.Millisecond, 0.25))
	s.play(100, 5*time.Second)
	s.actor(0).factor = 100
	s.play(100, 20*time.Second)
	if s.ejected() != 1 || len(s.said) > 5 {
		t.Errorf("%q, want node 0 to be out and to stay there", s.said)
	}
}

// TestOnlySomeMayBeEjected: at most one of two and a third of many, and nobody when all are the same.
func TestOnlySomeMayBeEjected(t *testing.T) {
	for _, c := range []struct{ nodes, sick, want int }{{2, 1, 1}, {3, 1, 1}, {6, 2, 2}, {6, 3, 2}, {16, 7, 5}} {
		cfg := equal(RoundRobin, c.nodes)
		cfg.Breaker.ConsecutiveFailures = 0 // would be quicker
		s := newRig(t, cfg, 8, about(5*time.Millisecond, 0.25))
		rate := 60 * float64(c.nodes)
		s.play(rate, 5*time.Second)
		for i := range c.sick {
			s.actor(i).fails = 0.4
		}
		s.play(rate, 10*time.Second)
		if got := s.ejected(); got != c.want || s.lost > 0 {
			t.Errorf("%d of %d nodes sick: %d ejected, want %d; %d requests lost", c.sick, c.nodes, got, c.want, s.lost)
		}
	}
}

// TestNodesThatAreDownCountAsEjected: the others have their load already.
func TestNodesThatAreDownCountAsEjected(t *testing.T) {
	for _, c := range []struct{ nodes, down, sick, want int }{{3, 1, 1, 0}, {6, 1, 2, 1}, {2, 0, 1, 1}} {
		cfg := equal(RoundRobin, c.nodes)
		cfg.Breaker.ConsecutiveFailures = 0 // would be quicker
		s := newRig(t, cfg, 8, about(5*time.Millisecond, 0.25))
		rate := 60 * float64(c.nodes)
		s.play(rate, 5*time.Second)
		for i := range c.down {
			if err := s.pool.Mark(s.actor(c.nodes-1-i).node.Address(), Down, nil); err != nil {
				t.Fatal(err)
			}
		}
		for i := range c.sick {
			s.actor(i).fails = 0.4
		}
		s.play(rate, 10*time.Second)
		if got := s.ejected(); got != c.want {
			t.Errorf("%d of %d nodes down and %d failing: %d ejected, want %d; %q", c.down, c.nodes, c.sick, got, c.want, s.said)
		}
	}
}

func TestAllSlowTogetherAreNotEjected(t *testing.T) {
	for _, nodes := range []int{1, 2, 8} {
		s := newRig(t, equal(LeastLoad, nodes), 8, about(5*time.Millisecond, 0.25))
		s.play(50*float64(nodes), 10*time.Second)
		for i := range nodes {
			s.actor(i).factor = 10
		}
		s.play(50*float64(nodes), 30*time.Second)
		for i := range nodes {
			s.actor(i).hung = true
		}
		s.play(50*float64(nodes), 5*time.Second)
		if len(s.said) > 0 {
			t.Errorf("%d nodes: %q", nodes, s.said)
		}
	}
}

// TestHonestlySlowerNodesStay: hardware of half the speed is no fault, whether the weights say so or not.
func TestHonestlySlowerNodesStay(t *testing.T) {
	for _, policy := range policyNames {
		for name, weights := range map[string][]int{"equal weights": {1, 1, 1, 1}, "weights": {2, 2, 1, 1}, "weights of other reasons": {4, 4, 1, 1}} {
			cfg := equal(policy, 4)
			for i := range cfg.Nodes {
				cfg.Nodes[i].Weight = weights[i]
			}
			s := newRig(t, cfg, 4, about(5*time.Millisecond, 0.5))
			s.actor(2).factor, s.actor(3).factor = 2, 2
			s.play(400, long(2*time.Minute))
			if len(s.said) > 0 {
				t.Errorf("%s, %s: %q", policy, name, s.said)
			}
		}
	}
	// Four times slower, as the weights say.
	cfg := weights(Weighted, 4, 4, 1)
	s := newRig(t, cfg, 4, about(5*time.Millisecond, 0.5))
	s.actor(2).factor = 4
	if s.play(300, long(2*time.Minute)); len(s.said) > 0 {
		t.Errorf("a quarter of the speed at a quarter of the weight: %q", s.said)
	}
}

// TestSmallTraffic: one request a second says too little to eject anybody by mistake.
func TestSmallTraffic(t *testing.T) {
	s := newRig(t, equal(LeastLoad, 2), 1, about(20*time.Millisecond, 1))
	s.play(1, long(time.Hour))
	if len(s.said) > 0 {
		t.Errorf("equal nodes: %q", s.said)
	}
}

func TestFailingNodeIsEjected(t *testing.T) {
	s := newRig(t, equal(LeastLoad, 4), 4, about(5*time.Millisecond, 0.25))
	s.play(200, 10*time.Second)
	s.actor(1).fails = 0.2 // too little for the breaker
	s.play(200, 10*time.Second)
	if len(s.said) == 0 || !strings.Contains(s.said[0], "node 1 ejected, failing") {
		t.Fatalf("%q, want node 1 to be ejected", s.said)
	}
	s.actor(1).fails = 0
	if s.play(200, 3*time.Minute); s.ejected() != 0 {
		t.Errorf("not back after it is well: %q", s.said)
	}
}

// TestWhatAllFailIsNobodysFault: requests that break every model they meet.
func TestWhatAllFailIsNobodysFault(t *testing.T) {
	s := newRig(t, equal(LeastLoad, 4), 4, about(5*time.Millisecond, 0.25))
	for i := range 4 {
		s.actor(i).fails = 0.2
	}
	if s.play(200, long(time.Minute)); len(s.said) > 0 {
		t.Errorf("%q", s.said)
	}
}

// TestOutliersAreOff: what finds the node above is the rule.
func TestOutliersAreOff(t *testing.T) {
	s := newRig(t, unjudged(equal(RoundRobin, 8)), 8, about(5*time.Millisecond, 0.25))
	s.play(500, 5*time.Second)
	s.actor(3).factor = 10
	if s.play(500, 5*time.Second); len(s.said) > 0 || s.p99(time.Second) < 40*time.Millisecond {
		t.Errorf("%q, p99 = %s; want nobody to be ejected and p99 to be the slow node's", s.said, s.p99(time.Second))
	}
}

// TestEjectedNodesServeWhenNobodyElseCan: the pool fails open.
func TestEjectedNodesServeWhenNobodyElseCan(t *testing.T) {
	s := newRig(t, equal(LeastLoad, 2), 4, about(5*time.Millisecond, 0.25))
	s.play(200, 5*time.Second)
	s.actor(0).factor = 10
	s.play(200, 5*time.Second)
	if s.ejected() != 1 {
		t.Fatalf("%q, want node 0 to be ejected", s.said)
	}
	if err := s.pool.Mark(s.actor(1).node.Address(), Down, nil); err != nil {
		t.Fatal(err)
	}
	if s.play(50, time.Second); s.lost > 0 {
		t.Errorf("%d requests found no node", s.lost)
	}
}
