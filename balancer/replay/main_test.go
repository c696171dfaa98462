package replay

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake records a pool of nodes that answer so many requests at a time and take so long in the median, under turns: what the
// trace must tell is known.
func fake(t *testing.T, requests int, rate float64, widths []int, takes []time.Duration) *Trace {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	trace := &Trace{Header: Header{Trace: format, Pools: []Pool{{Name: "main", Policy: "round_robin"}}}, Complete: true}
	free := make([][]time.Duration, len(widths))
	for i, width := range widths {
		trace.Header.Pools[0].Nodes = append(trace.Header.Pools[0].Nodes, Node{Address: address(i), Weight: 1})
		free[i] = make([]time.Duration, width)
	}
	at := time.Duration(0)
	for i := range requests {
		at += time.Duration(r.ExpFloat64() / rate * float64(time.Second))
		n := i % len(widths)
		slices.Sort(free[n])
		work := time.Duration((0.8 + 0.4*r.Float64()) * float64(takes[n]))
		free[n][0] = max(at, free[n][0]) + work
		trace.Decisions = append(trace.Decisions, Decision{
			At: at.Seconds(), Pool: "main", Model: "m", Attempt: 1, Candidates: len(widths), Node: address(n), Ahead: 1,
			End: "success", Took: (free[n][0] - at).Seconds(),
		})
	}
	return trace
}

func address(i int) string { return "10.0.0." + string(rune('1'+i)) + ":9000" }
