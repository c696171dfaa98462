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
