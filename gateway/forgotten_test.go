package gateway

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/balancer"
)

// A node may come to answer again and have forgotten what it was asked before, as one does that was restarted within, or one of whose
// instances hangs still: that goes elsewhere once it has had the time to answer.
func TestWhatASilentNodeHasForgottenGoesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSilentRig(t)
		for range 300 {
			s.ask()
		}
		s.silent = true
		for !s.ejected {
			s.ask()
		}
		if !s.recalls.look(time.Now()) {
			t.Fatal("nobody looks any more while the model is silent")
		}
		forgotten := s.waiting[len(s.waiting)-1]
		if forgotten.wait.recalled {
			t.Fatalf("recalled after %s", time.Since(forgotten.start))
		}
		s.silent = false
		s.leases[0].Done(balancer.Success) // the others are forgotten
		for s.ejected {
			s.ask()
		}
		s.recalls.look(time.Now())
		fresh := &outbound{start: time.Now().Add(time.Millisecond)}
		s.node.waits.enter(fresh, s.model)
		for range 20 { // which takes 200 ms
			s.ask()
			if !s.recalls.look(time.Now()) || forgotten.wait.recalled {
				t.Fatalf("recalled after %s, though the node may be working on it", time.Since(forgotten.start))
			}
		}
		for range 20 {
			s.ask()
			s.recalls.look(time.Now())
		}
		if !forgotten.wait.recalled {
			t.Errorf("it still waits, %s after it was sent", time.Since(forgotten.start))
		}
		if fresh.wait.recalled {
			t.Error("what was sent to a node that answers is recalled")
		}
		if s.recalls.look(time.Now()) {
			t.Error("there is nothing left to look at")
		}
	})
}

// silentRig is a pool of three nodes without any connection. One of them can fall silent.
type silentRig struct {
	t       *testing.T
	model   *balancer.Model
	node    *node // that can fall silent
	recalls *recaller

	silent  bool
	ejected bool
	waiting []*outbound
	leases  []*balancer.Lease
}

func newSilentRig(t *testing.T) *silentRig {
	s := &silentRig{t: t, recalls: newRecaller(), node: new(node)}
	cfg := balancer.Config{}
	cfg.SetDefaults()
	cfg.Policy = balancer.RoundRobin
	for i := range 3 {
		cfg.Nodes = append(cfg.Nodes, balancer.NodeConfig{Address: fmt.Sprintf("10.0.0.%d:9000", i+1), Weight: 1})
	}
	pool, err := balancer.New("main", cfg, balancer.Options{
		Join: func(n *balancer.Node, _ balancer.NodeConfig) (any, error) {
			if n.Address() == cfg.Nodes[0].Address {
				return s.node, nil
			}
			return new(node), nil
		},
		Observe: func(c balancer.Change) {
			s.ejected = c.Ejected
			s.recalls.observe(c)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.model = pool.Know("m")
	return s
}

// ask sends a request, which takes 10 ms where it is answered.
func (s *silentRig) ask() {
	l := new(balancer.Lease)
	var err error
	if *l, err = s.model.Pick(balancer.Ask{}, nil); err != nil {
		s.t.Fatal(err)
	}
	if s.silent && memberOf(l.Node()) == s.node {
		out := &outbound{start: time.Now()}
		s.node.waits.enter(out, s.model)
		s.waiting, s.leases = append(s.waiting, out), append(s.leases, l)
		return
	}
	time.Sleep(10 * time.Millisecond)
	l.Done(balancer.Success)
}
