package balancer

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// overwhelmed is a pool of full nodes, whose queue has not been empty for longer than anybody may wait.
func overwhelmed(tb testing.TB, nodes int) *Pool {
	tb.Helper()
	now := time.Unix(0, 0)
	cfg := limited(nodes, 4)
	p := newPool(tb, cfg, Options{Now: func() time.Time { return now }})
	var first *Lease
	for i := range 4 * nodes {
		l, err := p.common.Pick(Ask{}, nil)
		if err != nil {
			tb.Fatal(err)
		}
		if i == 0 {
			first = &l
		}
	}
	now = now.Add(100 * time.Millisecond)
	first.Done(Success) // now it is known how long attempts take
	if _, err := p.common.Pick(Ask{}, nil); err != nil {
		tb.Fatal(err)
	}
	for i := range 4*nodes + 1 { // as many wait as are being worked on
		w := &Waiter{over: make(chan struct{}, 1)}
		if err := p.queue.enlist(w, p.common); err != nil {
			break // or as many as may
		} else if i == 0 {
			now = now.Add(p.cfg.Queue.Timeout + time.Millisecond)
		}
	}
	return p
}

func (p *Pool) refuse(tb testing.TB, w *Waiter) {
	if _, err := p.common.Wait(Ask{}, nil, w); !errors.Is(err, ErrFull) {
		tb.Fatalf("got %v, want a refusal", err)
	}
}

func TestRefusalsOfAStandingQueueAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p, w := overwhelmed(t, 4), new(Waiter)
	p.refuse(t, w)
	if got := testing.AllocsPerRun(1000, func() { p.refuse(t, w) }); got > 0 {
		t.Errorf("%v allocations for each refusal, want none", got)
	}
}

func BenchmarkRefusedByAStandingQueue(b *testing.B) {
	for _, nodes := range []int{1, 16, 1000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			p := overwhelmed(b, nodes)
			b.RunParallel(func(pb *testing.PB) {
				w := new(Waiter)
				for pb.Next() {
					p.refuse(b, w)
				}
			})
		})
	}
}
