package balancer

import "testing"

// TestRetriesAvoidNodesThatDidNotAnswer has half of the nodes of a pool not answer, whose circuits stay closed: once each of them has
// failed somebody, a retry goes to one that answers, while first attempts still find out how the others are.
func TestRetriesAvoidNodesThatDidNotAnswer(t *testing.T) {
	for _, policy := range allPolicies {
		cfg := unjudged(equal(policy, 8))
		cfg.Breaker.ConsecutiveFailures, cfg.Breaker.FailurePercent = 0, 0
		p, h := timed(t, cfg)
		dead := func(n *Node) bool { return n.index() < 4 }
		outcome := func(l *Lease) Outcome {
			if dead(l.Node()) {
				return Failure
			}
			return Success
		}
		first := 0
		for key := range uint64(400) {
			var tried Tried
			lease, err := p.common.Pick(Ask{Key: 1 + key}, &tried)
			if err != nil {
				t.Fatal(err)
			}
			h.advance(1100 * 1e6) // so that peak_ewma explores
			failed := outcome(&lease) == Failure
			lease.Done(outcome(&lease))
			if !failed {
				continue
			}
			if first++; first <= 40 {
				continue // until all of the four have failed
			}
			retry, err := p.common.Pick(Ask{Key: 1 + key}, &tried)
			if err != nil {
				t.Fatal(err)
			}
			if dead(retry.Node()) {
				t.Errorf("%s: a retry went to a node that had just failed others", policy)
			}
			retry.Done(Success)
		}
		if first < 60 {
			t.Errorf("%s: only %d of 400 first attempts went to the half that does not answer: nobody finds out how it is", policy, first)
		}
	}
}

// TestRetriesTakeWhatIsLeft: a node that did not answer others is better than none, and than one whose circuit is open. What it answers
// next, or coming back, makes it as good as the others.
func TestRetriesTakeWhatIsLeft(t *testing.T) {
	p := newPool(t, equal(RoundRobin, 3), Options{})
	nodes := p.Members()
	retry := func() *Node {
		t.Helper()
		var tried Tried
		tried.Add(nodes[0])
		lease, err := p.common.Pick(Ask{}, &tried)
		if err != nil {
			t.Fatal(err)
		}
		lease.Done(Neutral)
		return lease.Node()
	}
	fail(nodes[2])
	nodes[1].falter(Failure)
	if got := retry(); got != nodes[1] {
		t.Errorf("the retry went to %d, whose circuit is open, want 1, which failed once", got.index())
	}
	p.mark(2, Down, errGone)
	p.mark(2, Up, nil)
	if got := retry(); got != nodes[2] {
		t.Errorf("the retry went to %d, which failed last, want 2, which is back", got.index())
	}
	for name, mend := range map[string]func(){
		"an answer":       func() { nodes[1].falter(Success) },
		"a fault":         func() { nodes[1].falter(Faulty) },
		"its new process": func() { p.mark(1, Down, errGone); p.mark(1, Up, nil) },
	} {
		nodes[1].falter(Failure)
		mend()
		got := map[*Node]bool{retry(): true, retry(): true, retry(): true}
		if !got[nodes[1]] || !got[nodes[2]] {
			t.Errorf("after %s node 1 is still passed by", name)
		}
	}
}
