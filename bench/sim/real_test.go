package main

import (
	"io"
	"os"
	"testing"
	"time"

	"ganglion/balancer"
)

func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		main() // a node or a gateway of TestRealNodesAnswer
		return
	}
	os.Exit(m.Run())
}

// TestRealNodesAnswer what the simulation's requests ask of them, and take at least as long as they should.
func TestRealNodesAnswer(t *testing.T) {
	s := realScenarios()[0]
	requests := s.draw(1, 40)
	policies := []ranked{{policy: balancer.LeastLoad}, {policy: balancer.RoundRobin}}
	if err := measureAll(t.Context(), &s, requests, policies, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, p := range policies {
		if p.answers != len(requests) || p.failed != 0 || p.real < 30*time.Millisecond {
			t.Errorf("%+v: want %d answers, the slowest after 30 ms at least", p, len(requests))
		}
	}
}

func TestConcordCountsWhatIsApart(t *testing.T) {
	all := []ranked{
		{policy: "a", simulated: 100, real: 300},
		{policy: "b", simulated: 105, real: 200}, // not apart from a
		{policy: "c", simulated: 200, real: 250}, // behind a and b in the simulation, behind b only in reality
	}
	if same, of := concord(all); same != 1 || of != 2 {
		t.Errorf("%d of %d, want 1 of 2", same, of)
	}
}
