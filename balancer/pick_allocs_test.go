package balancer

import (
	"fmt"
	"testing"
)

func TestPickAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, policy := range policyNames {
		p := newPool(t, weights(policy, 1, 2, 3), Options{})
		pick := testing.AllocsPerRun(1000, func() {
			var tried Tried
			lease, err := p.Model("").Pick(Ask{Key: 1}, &tried)
			if err != nil {
				t.Fatal(err)
			}
			lease.Done(Neutral)
		})
		again := testing.AllocsPerRun(1000, func() {
			var tried Tried
			first, _ := p.Model("").Pick(Ask{Key: 1}, &tried)
			second, _ := p.Model("").Pick(Ask{Key: 1}, &tried)
			first.Done(Neutral)
			second.Done(Neutral)
		})
		if pick != 0 || again != 0 {
			t.Errorf("%s: a pick allocates %v times, two of one exchange %v times", policy, pick, again)
		}
		report := testing.AllocsPerRun(1000, func() {
			var tried Tried
			lease, _ := p.Model("").Pick(Ask{Key: 1}, &tried)
			lease.Done(Success)
		})
		if report != 0 {
			t.Errorf("%s: pick and report allocate %v times", policy, report)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, policy := range policyNames {
		for _, n := range []int{2, 16, 64, 1000} {
			p := newPool(b, equal(policy, n), Options{})
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					var tried Tried
					lease, _ := p.Model("").Pick(Ask{Key: 1}, &tried)
					lease.place.node.inflight.Add(-1) // half of what Done does; the rest is BenchmarkPickAndDone
				}
			})
		}
	}
}

// BenchmarkChoose is the policy alone: without the clock, which the timed ones need, and the books. Every other node is busy.
func BenchmarkChoose(b *testing.B) {
	for _, policy := range policyNames {
		for _, n := range []int{2, 16, 64, 1000} {
			p := newPool(b, equal(policy, n), Options{})
			for range n { // so that policies which learn from answers have learned
				attempt(b, p, Success)
			}
			for i := range n / 2 {
				p.Members()[2*i].inflight.Store(3)
			}
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				b.ReportAllocs()
				s, now := p.common.current.Load(), p.now()
				g, ring := &s.groups[0], s.ring
				for b.Loop() {
					now++
					p.common.policy.choose(g, ask{key: uint64(now), now: now, ring: ring})
				}
			})
		}
	}
}

func BenchmarkPickParallel(b *testing.B) {
	for _, policy := range policyNames {
		p := newPool(b, equal(policy, 16), Options{})
		b.Run(policy+"/16", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					var tried Tried
					lease, _ := p.Model("").Pick(Ask{Key: 1}, &tried)
					lease.place.node.inflight.Add(-1)
				}
			})
		})
	}
}

// BenchmarkPickWeightedUneven is the worst mix of weights that the configuration allows.
func BenchmarkPickWeightedUneven(b *testing.B) {
	for _, n := range []int{2, 16, 1000} {
		cfg := equal(Weighted, n)
		cfg.Nodes[0].Weight = maxWeight
		p := newPool(b, cfg, Options{})
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var tried Tried
				lease, _ := p.Model("").Pick(Ask{Key: 1}, &tried)
				lease.place.node.inflight.Add(-1)
			}
		})
	}
}

func BenchmarkPickAndDone(b *testing.B) {
	p := newPool(b, equal(LeastConnections, 16), Options{})
	b.ReportAllocs()
	for b.Loop() {
		var tried Tried
		lease, _ := p.Model("").Pick(Ask{Key: 1}, &tried)
		lease.Done(Success)
	}
}

// BenchmarkPickAndDoneParallel has all cores send to the same few nodes, whose counters they share.
func BenchmarkPickAndDoneParallel(b *testing.B) {
	for _, n := range []int{1, 4} {
		p := newPool(b, equal(LeastLoad, n), Options{})
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					var tried Tried
					lease, _ := p.Model("").Pick(Ask{Key: 1}, &tried)
					lease.Done(Success)
				}
			})
		})
	}
}

func TestWaitAllocatesNothingWhileNobodyWaits(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	cfg := equal(LeastLoad, 4)
	cfg.MaxInflight = 8
	p := newPool(t, cfg, Options{})
	var w Waiter
	got := testing.AllocsPerRun(1000, func() {
		var tried Tried
		lease, err := p.common.Wait(Ask{}, &tried, &w)
		if err != nil {
			t.Fatal(err)
		}
		lease.Done(Success)
	})
	if got != 0 || w.Waited != 0 {
		t.Errorf("a wait for nothing allocates %v times and takes %s", got, w.Waited)
	}
}
