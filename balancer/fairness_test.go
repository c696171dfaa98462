package balancer

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestRoundRobinIsExact(t *testing.T) {
	p := newPool(t, equal(RoundRobin, 7), Options{})
	all := &p.common.current.Load().groups[0]
	var counts [7]atomic.Int64
	var workers sync.WaitGroup
	const each = 200_000
	for range 7 {
		workers.Go(func() {
			var mine [7]int64 // nothing but picks in the loop, so that the pickers meet
			for range each {
				mine[p.common.policy.choose(all, ask{}).node.index()]++
			}
			for i, n := range mine {
				counts[i].Add(n)
			}
		})
	}
	workers.Wait()
	for i := range counts {
		if n := counts[i].Load(); n != each {
			t.Errorf("node %d got %d of %d picks, want %d", i, n, 7*each, each)
		}
	}
}

func TestRoundRobinTakesTurns(t *testing.T) {
	p := newPool(t, weights(RoundRobin, 1, 9, 1), Options{})
	for i := range 9 {
		if n := attempt(t, p, Success); n.index() != i%3 {
			t.Fatalf("pick %d went to node %d, want %d", i, n.index(), i%3)
		}
	}
}

// sharesOf are sets of weights whose shares are checked.
var sharesOf = [][]int{
	{1}, {1, 1}, {4, 2, 1}, {5, 1, 1}, {1, 1, 1, 1, 1}, {7, 3, 2, 1}, {256, 1}, {256, 1, 1, 1, 1, 1, 1, 1}, {100, 99}, {13, 8, 5, 3, 2, 1, 1},
}

func TestWeightedSharesAreExact(t *testing.T) {
	for _, ws := range sharesOf {
		p := newPool(t, weights(Weighted, ws...), Options{})
		sum := 0
		for _, w := range ws {
			sum += w
		}
		// In parallel, and a hundred times over: as many attempts as the weights add up to, each gets its weight.
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for range 25 * sum {
					attempt(t, p, Success)
				}
			})
		}
		workers.Wait()
		for i, s := range p.Nodes() {
			if int(s.Attempts) != 100*ws[i] {
				t.Errorf("weights %v: node %d got %d attempts, want %d", ws, i, s.Attempts, 100*ws[i])
			}
		}
	}
}

// TestWeightedTurnsAreSpread holds every stretch of picks against the share: a node must neither pile up turns nor wait
// long for one.
func TestWeightedTurnsAreSpread(t *testing.T) {
	for _, ws := range sharesOf {
		p := newPool(t, weights(Weighted, ws...), Options{})
		sum := 0
		for _, w := range ws {
			sum += w
		}
		var sequence []int
		for range 3 * sum {
			sequence = append(sequence, attempt(t, p, Success).index())
		}
		for node, w := range ws {
			share := float64(w) / float64(sum)
			got, low, high := 0.0, 0.0, 0.0 // how far the count strays from the share
			for i, n := range sequence {
				if n == node {
					got++
				}
				off := got - share*float64(i+1)
				low, high = min(low, off), max(high, off)
			}
			// A stretch is off by the difference of its ends.
			if high-low > 2.5 {
				t.Errorf("weights %v: a stretch has %.2f turns of node %d more than its share", ws, high-low, node)
			}
		}
	}
}

func TestWeightedWorkedTable(t *testing.T) {
	p := newPool(t, weights(Weighted, 4, 2, 1), Options{})
	var got []byte
	for range 14 {
		got = append(got, 'a'+byte(attempt(t, p, Success).index()))
	}
	if want := "aabcaabaabcaab"; string(got) != want {
		t.Errorf("turns = %s, want %s as the comment says", got, want)
	}
}

func TestLeastConnectionsTakesTheLeastLoaded(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		ws := make([]int, 1+rng.IntN(8))
		for i := range ws {
			ws[i] = 1 + rng.IntN(4)
		}
		p := newPool(t, weights(LeastConnections, ws...), Options{})
		var tried Tried
		least := math.Inf(1)
		for i, n := range p.Members() {
			n.inflight.Store(int64(rng.IntN(6)))
			if i > 0 && rng.IntN(4) == 0 {
				tried.Add(n)
				continue
			}
			least = min(least, float64(n.Inflight())/float64(ws[i]))
		}
		had := p.Members()
		had = slices.DeleteFunc(had, func(n *Node) bool { return !tried.Has(n) })
		lease, err := p.Model("").Pick(Ask{}, &tried)
		if err != nil {
			t.Fatal(err)
		}
		n := lease.Node()
		if load := float64(n.Inflight()-1) / float64(n.Weight()); load != least || slices.Contains(had, n) {
			t.Fatalf("weights %v, tried %d nodes: picked load %v, least is %v", ws, len(had), load, least)
		}
		lease.Done(Neutral)
	}
}

// holdAll has several pickers take so many leases each, all at once, and returns those they hold.
func holdAll(t *testing.T, p *Pool, key uint64, pickers, each int) []*Lease {
	t.Helper()
	var mu sync.Mutex
	var held []*Lease
	var workers sync.WaitGroup
	for range pickers {
		workers.Go(func() {
			for range each {
				lease, err := p.Model("").Pick(Ask{Key: key}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				held = append(held, &lease)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return held
}

func TestLeastConnectionsFillsByWeight(t *testing.T) {
	p := newPool(t, weights(LeastConnections, 1, 2, 5), Options{})
	held := holdAll(t, p, 0, 8, 100)
	for i, want := range []int64{100, 200, 500} {
		// Pickers who look at the same moment do not see each other: at most eight.
		if got := p.Members()[i].Inflight(); got < want-8 || got > want+8 {
			t.Errorf("node %d of weight %d holds %d of 800 leases, want about %d", i, p.Members()[i].Weight(), got, want)
		}
	}
	for _, l := range held {
		l.Done(Success)
	}
}

func TestLeastConnectionsSharesIdleTimeByWeight(t *testing.T) {
	p := newPool(t, weights(LeastConnections, 1, 2, 5), Options{})
	got := picks(t, p, 8000) // one at a time: everybody is always idle
	for i, want := range []int{1000, 2000, 5000} {
		if got[i] < want-10 || got[i] > want+10 {
			t.Errorf("picks = %v, want about 1000, 2000, 5000", got)
			break
		}
	}
}

// TestTiesAreFairInEveryStep lets two sets of nodes be tied in turn. A plain turn modulo the ties would always give the
// same one of each set the pick.
func TestTiesAreFairInEveryStep(t *testing.T) {
	for step := 2; step <= 5; step++ {
		p := newPool(t, equal(LeastConnections, 4), Options{})
		counts := make([]int, 4)
		for i := range 4000 * step {
			busy := []int{2, 3}
			if i%step != 0 {
				busy = []int{0, 1}
			}
			for _, b := range busy {
				p.Members()[b].inflight.Store(1)
			}
			var tried Tried
			lease, _ := p.Model("").Pick(Ask{}, &tried)
			counts[lease.Node().index()]++
			lease.Done(Neutral)
			for _, b := range busy {
				p.Members()[b].inflight.Store(0)
			}
		}
		if a, b := counts[0], counts[1]; max(a, b) > min(a, b)*11/10 {
			t.Errorf("every %d picks two nodes are tied: they got %d and %d", step, a, b)
		}
	}
}
