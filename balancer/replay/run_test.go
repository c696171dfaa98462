package replay

import (
	"math"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

// TestNodesAreWhatTheyWere: how many requests at a time, and how long each takes beyond waiting, comes out of the times alone.
func TestNodesAreWhatTheyWere(t *testing.T) {
	for _, c := range []struct {
		width int
		rate  float64
	}{{1, 160}, {4, 640}, {8, 1300}} {
		trace := fake(t, 20_000, c.rate, []int{c.width}, []time.Duration{5 * ms})
		trace.Decisions[0].Model = "" // of the time before the pool knew the model
		w, err := newWorld(trace, "")
		if err != nil {
			t.Fatal(err)
		}
		st := w.stations[place{address(0), "m"}]
		if len(w.stations) != 1 || st.width != c.width || st.median < 4500*time.Microsecond || st.median > 5500*time.Microsecond {
			t.Errorf("%d at a time, 5 ms each: found %d at a time, %s each", c.width, st.width, st.median)
		}
	}
}

// TestReplayOfTheSamePolicyIsLikeTheRecording: the model of the nodes does what the nodes did.
func TestReplayOfTheSamePolicyIsLikeTheRecording(t *testing.T) {
	trace := fake(t, 20_000, 500, []int{1, 1, 1, 1}, []time.Duration{5 * ms, 5 * ms, 5 * ms, 5 * ms})
	c, err := Run(trace, "main", nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Replayed.P99, c.Recorded.P99; math.Abs(got/want-1) > 0.05 {
		t.Errorf("p99 replayed is %.2f ms, recorded %.2f", got, want)
	}
	if got, want := c.Replayed.P50, c.Recorded.P50; math.Abs(got/want-1) > 0.05 {
		t.Errorf("p50 replayed is %.2f ms, recorded %.2f", got, want)
	}
}

// TestReplayFindsThePolicyForASlowNode: one of four nodes takes four times as long, under turns its queue grows; a policy that
// looks at load does better, and sends it less.
func TestReplayFindsThePolicyForASlowNode(t *testing.T) {
	trace := fake(t, 20_000, 350, []int{1, 1, 1, 1}, []time.Duration{5 * ms, 5 * ms, 5 * ms, 20 * ms})
	c, err := Run(trace, "", []string{"least_load", "least_connections", "consistent_hash"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Others[:2] {
		if r.P99 > c.Recorded.P99/4 || r.Shares[address(3)] > 0.15 {
			t.Errorf("%s: p99 %.1f ms and %.2f to the slow node; recorded are %.1f ms and %.2f", r.Policy, r.P99, r.Shares[address(3)], c.Recorded.P99, c.Recorded.Shares[address(3)])
		}
	}
	sum := 0.0
	for _, share := range c.Others[0].Shares {
		sum += share
	}
	if math.Abs(sum-1) > 1e-9 || c.Others[0].Requests != 20_000 || c.Others[0].Unserved != 0 {
		t.Errorf("shares sum up to %v: %+v", sum, c.Others[0])
	}
	again, err := Run(trace, "", []string{"least_load"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if again.Others[0].P99 != c.Others[0].P99 {
		t.Error("the same seed gives another result")
	}
}

// TestKeysMeetInAReplay: consistent_hash sends the same key to the same node.
func TestKeysMeetInAReplay(t *testing.T) {
	trace := fake(t, 2_000, 10, []int{1, 1, 1, 1}, []time.Duration{5 * ms, 5 * ms, 5 * ms, 5 * ms})
	for i := range trace.Decisions {
		trace.Decisions[i].Key = 42
	}
	c, err := Run(trace, "", []string{"consistent_hash"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	most := 0.0
	for _, share := range c.Others[0].Shares {
		most = max(most, share)
	}
	if most < 0.99 {
		t.Errorf("one key, little load: shares %v", c.Others[0].Shares)
	}
}

func TestFailedAttemptsAndNewNodesAreReplayed(t *testing.T) {
	trace := fake(t, 100, 100, []int{1, 1}, []time.Duration{5 * ms, 5 * ms})
	trace.Decisions[7].End, trace.Decisions[8].End = "failure", "fault"
	trace.Decisions[9].Node, trace.Decisions[9].End = "10.9.9.9:9000", "neutral"
	c, err := Run(trace, "", []string{"least_load"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if c.Recorded.Unserved != 3 || c.Others[0].Unserved != 0 || c.Others[0].Shares["10.9.9.9:9000"] == 0 {
		t.Errorf("recorded %+v, replayed %+v", c.Recorded, c.Others[0])
	}
}

func TestWrongQuestionsAreRefused(t *testing.T) {
	trace := fake(t, 100, 100, []int{1, 1}, []time.Duration{5 * ms, 5 * ms})
	for _, c := range []struct{ pool, policy, want string }{
		{"other", "least_load", `accepted are ["main"]`},
		{"main", "best", "best"},
	} {
		if _, err := Run(trace, c.pool, []string{c.policy}, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("pool %q, policy %q: %v, want %q", c.pool, c.policy, err, c.want)
		}
	}
	trace.Header.Pools = append(trace.Header.Pools, Pool{Name: "next"})
	if _, err := Run(trace, "", nil, 1); err == nil || !strings.Contains(err.Error(), `several pools, and one is replayed at a time: name one of ["main" "next"]`) {
		t.Errorf("no pool of several: %v", err)
	}
	trace.Header.Pools = trace.Header.Pools[:1]
	trace.Decisions = nil
	if _, err := Run(trace, "", nil, 1); err == nil || !strings.Contains(err.Error(), "no decision") {
		t.Errorf("without decisions: %v", err)
	}
}
