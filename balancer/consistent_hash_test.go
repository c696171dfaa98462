package balancer

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// home is the node that a key's requests meet in a quiet pool.
func home(t testing.TB, p *Pool, key uint64) int {
	t.Helper()
	lease, err := p.Model("").Pick(Ask{Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lease.Done(Success)
	return lease.Node().index()
}

func homesOf(t testing.TB, p *Pool, keys int) []int {
	t.Helper()
	at := make([]int, keys)
	for k := range at {
		at[k] = home(t, p, uint64(k)+1) // keys in a row: the ring mixes them
	}
	return at
}

func TestKeysAreSharedOutByWeight(t *testing.T) {
	p := newPool(t, weights(ConsistentHash, 1, 2, 4, 1), Options{})
	counts := make([]int, 4)
	for _, n := range homesOf(t, p, 40_000) {
		counts[n]++
	}
	for i, want := range []int{5000, 10_000, 20_000, 5000} {
		if counts[i] < want*6/10 || counts[i] > want*14/10 {
			t.Errorf("keys = %v, want about 5000, 10000, 20000, 5000", counts)
			break
		}
	}
}

func TestOnlyTheKeysOfALostNodeMove(t *testing.T) {
	p := newPool(t, equal(ConsistentHash, 8), Options{})
	before := homesOf(t, p, 4000)
	p.mark(3, Down, errors.New("gone"))
	spread := map[int]int{}
	for k, now := range homesOf(t, p, 4000) {
		switch {
		case before[k] != 3 && now != before[k]:
			t.Fatalf("key %d moved from node %d, which is there, to %d", k, before[k], now)
		case before[k] == 3:
			spread[now]++
		}
	}
	if len(spread) != 7 {
		t.Errorf("the keys of the lost node went to %v, want some to each of the others", spread)
	}
	p.mark(3, Up, nil)
	for k, now := range homesOf(t, p, 4000) {
		if now != before[k] {
			t.Fatalf("key %d is on node %d after all came back, was on %d", k, now, before[k])
		}
	}
}

// TestGatewaysAgreeOnKeys: two pools of the same nodes, in another order, and with one more.
func TestGatewaysAgreeOnKeys(t *testing.T) {
	cfg := equal(ConsistentHash, 6)
	a := newPool(t, cfg, Options{})
	other := cfg
	other.Nodes = append([]NodeConfig{{Address: "10.9.9.9:9000", Weight: 1}}, cfg.Nodes...)
	b := newPool(t, other, Options{})
	moved := 0
	for k := range 6000 {
		one, two := a.Members()[home(t, a, uint64(k)+1)].address, b.Members()[home(t, b, uint64(k)+1)].address
		switch two {
		case one:
		case "10.9.9.9:9000":
			moved++
		default:
			t.Fatalf("key %d is on %s at one gateway and on %s at another", k, one, two)
		}
	}
	if moved < 400 || moved > 1400 {
		t.Errorf("%d of 6000 keys moved to the seventh node", moved)
	}
}

// TestHotKeyIsBounded: a key that everybody asks for fills its node up to the bound, then the next.
func TestHotKeyIsBounded(t *testing.T) {
	cfg := equal(ConsistentHash, 4)
	p := newPool(t, cfg, Options{})
	held := holdAll(t, p, 42, 4, 100)
	for i, n := range p.Members() {
		// 1.25 times a quarter of 400, and one for each picker who looks at the same moment.
		if n.Inflight() > 125+4 {
			t.Errorf("node %d holds %d of 400", i, n.Inflight())
		}
	}
	for _, l := range held {
		l.Done(Success)
	}
	if left := p.common.policy.(*consistentHash).inflight.Load(); left != 0 {
		t.Errorf("%d in flight after all are done", left)
	}
}

func TestStickHasTheLastWord(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for _, policy := range allPolicies {
		p := newPool(t, equal(policy, 5), Options{})
		key := rng.Uint64()
		first, err := p.Model("").Pick(Ask{Key: key, Stick: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		first.Node().inflight.Add(100) // busy, yet it has the sequence
		var tried Tried
		second, err := p.Model("").Pick(Ask{Key: key, Stick: true}, &tried)
		if err != nil || second.Node() != first.Node() {
			t.Errorf("%s: the sequence moved from node %d to %d, %v", policy, first.Node().index(), second.Node().index(), err)
		}
		third, err := p.Model("").Pick(Ask{Key: key, Stick: true}, &tried)
		if err != nil || third.Node() == first.Node() {
			t.Errorf("%s: picked a node twice for one exchange, %v", policy, err)
		}
		for _, l := range []*Lease{&first, &second, &third} {
			l.Done(Success)
		}
	}
}

func TestStickWithOnlyDrainingNodes(t *testing.T) {
	p := newPool(t, weights(ConsistentHash, 0, 0), Options{})
	lease, err := p.Model("").Pick(Ask{Key: 1, Stick: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lease.Done(Success)
}
