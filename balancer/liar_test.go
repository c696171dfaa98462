package balancer

import (
	"math"
	"testing"
	"time"
)

// TestLoadsThatCannotBeTrueMakeNobodyIdle has a node say the most that fits into its words, in answers and unasked, while it is slow by
// all that is known: nothing overflows into a low score, the others get everything, and its word is forgotten like any other.
func TestLoadsThatCannotBeTrueMakeNobodyIdle(t *testing.T) {
	most := Load{Known: true, Queued: math.MaxUint32, InFlight: math.MaxUint32, Wait: math.MaxInt64}
	for _, ws := range [][]int{{1, 1, 1}, {1, 256, 7}, {256, 1, 1}} {
		for _, say := range []func(n *Node){
			func(n *Node) { n.Report(most) },
			func(n *Node) { n.Hear(most, 0) },
			func(n *Node) { n.Hear(Load{Known: true, Queued: math.MaxUint32}, 0) },
		} {
			p, h := timed(t, unjudged(weights(LeastLoad, ws...)))
			liar := p.Members()[0]
			pl := p.common.places[liar]
			pl.pace.factor.Store(mostFactor)
			pl.pace.at.Store(int64(time.Hour))
			h.advance(time.Second)
			for range 64 { // an average of what is heard
				say(liar)
			}
			if got := liar.load.foreign(p.now()); got <= 0 || got > othersMost {
				t.Errorf("weights %v: %d requests of others", ws, got)
			}
			for range 200 {
				lease, err := p.common.Pick(Ask{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if lease.Node() == liar && liar.load.foreign(p.now()) > 1000 {
					t.Fatalf("weights %v: picked the node that says it holds %d", ws, liar.load.foreign(p.now()))
				}
			}
			if wait := liar.Load().Wait; wait < 0 {
				t.Errorf("it said that one would wait for %v, and is known to say %v", most.Wait, wait)
			}
			h.advance(3 * time.Second)
			if got := liar.load.foreign(p.now()); got != 0 {
				t.Errorf("weights %v: three seconds later it still holds %d requests of others", ws, got)
			}
		}
	}
}
