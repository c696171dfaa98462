package balancer

import "testing"

// TestTurnsGoOnWhereTheyWere takes nodes away and brings them back: whose turn it was, it still is, or it is the next one's. A turn that
// jumped would go to the same nodes in all gateways.
func TestTurnsGoOnWhereTheyWere(t *testing.T) {
	for _, policy := range []string{RoundRobin, Weighted} {
		p := newPool(t, equal(policy, 16), Options{})
		picks(t, p, 16*87+5)
		want := 5
		next := func() int {
			got := attempt(t, p, Neutral).index()
			want = (got + 1) % 16
			return got
		}
		for _, step := range []struct {
			node  int
			state State
			next  int
		}{{3, Down, 5}, {6, Down, 7}, {8, Down, 9}, {9, Down, 10}, {15, Down, 11}, {6, Up, 12}, {14, Down, 13}, {15, Up, 0}, {0, Down, 1}} {
			before := want
			p.mark(step.node, step.state, errGone)
			if got := next(); got != step.next {
				t.Errorf("%s: it was the turn of %d, then node %d was %s, and the turn is that of %d, want %d", policy, before, step.node, step.state, got, step.next)
			}
		}
	}
}
