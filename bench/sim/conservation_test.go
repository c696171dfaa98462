package main

import (
	"slices"
	"testing"
	"time"

	"ganglion/balancer"
)

// small are the scenarios that are quick to make: what is tested holds for any number of nodes.
func small() []scenario {
	return slices.DeleteFunc(scenarios(), func(s scenario) bool { return s.nodes > 8 })
}

// TestEveryRequestEndsOnce: nothing is lost or answered twice, and all leases are given back, also when nodes die.
func TestEveryRequestEndsOnce(t *testing.T) {
	for _, s := range small() {
		if s.churn.at > 0 {
			s.churn.every, s.churn.away = 100*time.Millisecond, 70*time.Millisecond // less time, as many deaths
		}
		requests := s.draw(3, 500)
		for _, policy := range append([]string{ideal}, policies...) {
			sim, err := newSimulation(&s, policy, 3, requests)
			if err != nil {
				t.Fatal(err)
			}
			f := sim.run()
			if f.over() != len(requests) || len(sim.unused) != len(sim.exchanges) {
				t.Errorf("%s, %s: %d of %d requests ended, %d of %d exchanges are unused", s.name, policy, f.over(), len(requests), len(sim.unused), len(sim.exchanges))
			}
			seen := make([]bool, len(sim.exchanges))
			for _, x := range sim.unused {
				if seen[x] {
					t.Fatalf("%s, %s: exchange %d ended twice", s.name, policy, x)
				}
				seen[x] = true
			}
			checkLeases(t, sim, s.name+", "+policy)
		}
	}
}

// checkLeases wants every lease reported, and every answer to be a success of some node.
func checkLeases(t *testing.T, sim *simulation, name string) {
	t.Helper()
	successes := 0
	for _, pool := range sim.gateways {
		for _, n := range pool.Nodes() {
			if n.Inflight != 0 {
				t.Errorf("%s: %d leases of node %d are out", name, n.Inflight, n.Node.Member().(int32))
			}
			successes += int(n.Successes)
		}
	}
	if sim.common == nil && successes != sim.findings.answers {
		t.Errorf("%s: %d answers, nodes had %d successes", name, sim.findings.answers, successes)
	}
}

// TestDeadNodesGetNothingOnceThatIsKnown: with one gateway and probes or breakers that have noticed, hardly a request is lost.
func TestDeadNodesGetNothingOnceThatIsKnown(t *testing.T) {
	s := find(t, "churn, 1 × 8")
	sim, err := newSimulation(&s, balancer.LeastConnections, 1, s.draw(1, 60_000))
	if err != nil {
		t.Fatal(err)
	}
	f := sim.run()
	failures := 0
	for _, n := range sim.gateways[0].Nodes() {
		failures += int(n.Failures)
	}
	// A death fails what is in flight and the five attempts that open the circuit.
	deaths := int(sim.now / s.churn.every)
	if deaths < 5 || failures == 0 || failures > 30*deaths {
		t.Errorf("%d deaths failed %d attempts", deaths, failures)
	}
	if f.lost > deaths {
		t.Errorf("%d deaths lost %d requests in spite of a second attempt", deaths, f.lost)
	}
}

func find(t *testing.T, name string) scenario {
	t.Helper()
	for _, s := range scenarios() {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("no scenario %q", name)
	return scenario{}
}

// TestConditionalAttemptsKeepGatewaysApart: nodes that decline bring p99 with eight gateways near that of one queue, a part of the requests
// pays for it with another way, and without them nothing is declined.
func TestConditionalAttemptsKeepGatewaysApart(t *testing.T) {
	s := find(t, "equal, 8 × 8")
	requests := s.draw(1, 40_000)
	play := func(policy string, declines int) *findings {
		s := s
		s.declines = declines
		sim, err := newSimulation(&s, policy, 1, requests)
		if err != nil {
			t.Fatal(err)
		}
		f := sim.run()
		checkLeases(t, sim, policy)
		return f
	}
	best := play(ideal, 0).quantile(0.99)
	with, without := play(balancer.LeastLoad, s.declines), play(balancer.LeastLoad, 0)
	if part := float64(with.declines) / float64(len(requests)); part < 0.05 || part > 0.3 || without.declines != 0 {
		t.Errorf("%.2f declines a request, and %d where none are allowed", part, without.declines)
	}
	if over := float64(with.quantile(0.99)) / float64(best); over > 1.2 {
		t.Errorf("p99 is %.2f times the ideal's with declines, want 1.2 at most", over)
	}
	if over := float64(without.quantile(0.99)) / float64(best); over < 1.25 {
		t.Errorf("p99 is %.2f times the ideal's without declines: the test shows nothing", over)
	}
	if turns := play(balancer.RoundRobin, s.declines); turns.declines != 0 {
		t.Errorf("%d attempts of turns were declined", turns.declines)
	}
}
