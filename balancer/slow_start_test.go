package balancer

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"
)

func TestNodeThatComesBackGetsItsShareLittleByLittle(t *testing.T) {
	for _, policy := range []string{RoundRobin, Weighted, LeastConnections, LeastLoad} {
		cfg := equal(policy, 4)
		cfg.SlowStart = 9 * time.Second
		p, h := timed(t, cfg)
		h.advance(time.Second)
		p.mark(1, Down, errors.New("gone"))
		p.mark(1, Up, nil)
		last := 0
		for second := range 9 {
			h.advance(10 * time.Millisecond)
			got := picks(t, p, 4000)
			// In this second it has (second+1) tenths of what each of the other three has.
			tenths := float64(second + 1)
			want := int(4000 * tenths / (30 + tenths))
			if got[1] < want*8/10-2 || got[1] > want*12/10+2 || got[1] < last {
				t.Errorf("%s, %d s: picks = %v, want about %d of the node that is back", policy, second, got, want)
			}
			last = got[1]
			h.advance(time.Second - 10*time.Millisecond)
		}
		if got := picks(t, p, 400); got[1] < 97 || got[1] > 103 {
			t.Errorf("%s: picks = %v after its slow start, want a quarter", policy, got)
		}
		if p.common.due.Load() != math.MaxInt64 {
			t.Errorf("%s: more steps are due after the last", policy)
		}
	}
}

func TestSlowNodesAreAllThereIs(t *testing.T) {
	for _, policy := range allPolicies {
		cfg := equal(policy, 2)
		cfg.SlowStart = time.Minute
		p, _ := timed(t, cfg)
		for i := range 2 {
			p.mark(i, Down, nil)
		}
		for i := range 2 {
			p.mark(i, Up, nil)
		}
		if got := picks(t, p, 100); got[0] < 30 || got[1] < 30 {
			t.Errorf("%s: picks = %v of two nodes that both start slowly", policy, got)
		}
	}
}

func TestClimbingInParallel(t *testing.T) {
	for _, policy := range allPolicies {
		cfg := equal(policy, 3)
		cfg.SlowStart = 10 * time.Millisecond
		p, h := timed(t, cfg)
		p.mark(0, Down, nil)
		p.mark(0, Up, nil)
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for range 500 {
					attempt(t, p, Success)
					h.advance(10 * time.Microsecond)
				}
			})
		}
		workers.Wait()
		if p.common.due.Load() != math.MaxInt64 {
			t.Errorf("%s: the node is still starting after 20 ms", policy)
		}
	}
}
