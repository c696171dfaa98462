package gateway

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
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
		hangs := hangFirst(slow, good)
		for i := 0; hangs.Load() == 0; i++ { // round robin
			e.infer(fmt.Sprint("X-Request-Id: r", i)).want(t, 200)
		}
		eventually(t, "the slow node to notice", func() bool { return hangs.Load() < 0 })
		if got := e.metric("ganglion_attempt_timeouts_total"); got == 0 {
			t.Error("no attempt was broken off")
		}
		if got := e.metric("ganglion_attempts_total", "outcome", "fault", "node", slow.Address()); got == 0 {
			t.Error("the node's model was not blamed")
		}
	}
}

// hangFirst makes slow answer nothing to a request that has not been at good before: on a machine that has no time, good may use
// its share up as well, and the second attempt has to end. The count goes up with each that hangs, and below 0 when one was told to
// forget it.
func hangFirst(slow, good *testnode.Node) *atomic.Int64 {
	var hangs atomic.Int64
	var seen sync.Map
	good.Handle(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("X-Request-Id"), true)
		_, _ = io.WriteString(w, "{}")
	})
	slow.Handle(func(w http.ResponseWriter, r *http.Request) {
		if _, again := seen.Load(r.Header.Get("X-Request-Id")); again {
			_, _ = io.WriteString(w, "{}")
			return
		}
		hangs.Add(1)
		<-r.Context().Done()
		hangs.Store(-1000)
		w.WriteHeader(http.StatusGatewayTimeout) // nobody reads it
	})
	return &hangs
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
			broken := func() float64 { return e.metric("ganglion_attempt_timeouts_total") }
			asked := 0
			for asked == 0 || name == "the last of two" && broken() == 0 { // in a moment without a processor all the time may pass
				e.infer(headers...).want(t, 504)
				asked++
			}
			for _, line := range e.logged(asked) {
				if took := line["ms"].(float64); took < 600 {
					t.Errorf("given up after %v ms of 600", took)
				}
			}
			want := 0.0
			if name == "the last of two" {
				want = 1
			}
			if got := broken(); got != want {
				t.Errorf("%v attempts were broken off, want %v", got, want)
			}
		})
	}
}

func fmtImpatient(percent, floor int) string { return fmt.Sprintf(impatient, percent, floor) }
