package gateway

import (
	"fmt"
	"testing"

	"ganglion/internal/testnode"
)

// impatient is a retry table that leaves an attempt a share of the time.
const impatient = `
[pools.main.retry]
attempt_timeout = "100ms"
budget_percent = %d
budget_floor = %d
budget_burst = 10
[pools.main.breaker]
consecutive_failures = 0
failure_percent = 0
`

// A node that does not answer in its share of the time is given up, told so, and held against the model on it; another one
// answers.
func TestAnAttemptThatTakesTooLongGoesElsewhere(t *testing.T) {
	for _, carrier := range []string{"http/1.1", "hop"} {
		slow, good := testnode.Start(t), testnode.Start(t)
		slow.SpeakHop(carrier == "hop")
		good.SpeakHop(carrier == "hop")
		e := start(t, twoNodes+fmtImpatient(10, 10)+anyRoute, slow, good)
		e.awaitHops(carrier, carrier)
		release := slow.Hang()
		for slow.Requests() == 0 { // round robin
			if got := e.infer().want(t, 200); got.node() != good.Name() {
				t.Errorf("%s answered", got.node())
			}
		}
		eventually(t, "the slow node to notice", func() bool { return slow.Gone() == slow.Requests() })
		release()
		if got := e.metric("ganglion_attempt_timeouts_total"); got == 0 {
			t.Error("no attempt was broken off")
		}
		if got := e.metric("ganglion_attempts_total", "outcome", "fault", "node", slow.Address()); got == 0 {
			t.Error("the node's model was not blamed")
		}
	}
}

// Where no other attempt could follow, breaking one off would only make a late answer into none.
func TestTheLastAttemptHasAllTheTime(t *testing.T) {
	for name, config := range map[string]string{
		"no other node":   oneNode + fmtImpatient(10, 10),
		"no retry left":   twoNodes + fmtImpatient(0, 0),
		"a part of more":  twoNodes + fmtImpatient(10, 10), // a sequence
		"the last of two": twoNodes + fmtImpatient(10, 10), // both hang
	} {
		t.Run(name, func(t *testing.T) {
			nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t)}
			if name == "no other node" {
				nodes = nodes[:1]
			}
			var headers []string
			if name == "a part of more" {
				headers = append(headers, "X-Sequence-Id: s")
			}
			e := start(t, config+"[routes.\"*\"]\npool = \"main\"\ntimeout = \"600ms\"\n", nodes...)
			for _, n := range nodes {
				defer n.Hang()()
			}
			e.infer(headers...).want(t, 504)
			line := e.logged(1)[0]
			if took := line["ms"].(float64); took < 600 {
				t.Errorf("given up after %v ms of 600", took)
			}
			want := 0.0
			if name == "the last of two" {
				want = 1
			}
			if got := e.metric("ganglion_attempt_timeouts_total"); got != want {
				t.Errorf("%v attempts were broken off, want %v", got, want)
			}
		})
	}
}

func fmtImpatient(percent, floor int) string { return fmt.Sprintf(impatient, percent, floor) }
