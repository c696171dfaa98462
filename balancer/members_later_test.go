package balancer

import (
	"errors"
	"testing"
)

// A pool that is told its nodes later has none to pick until then, and never loses its last one to an empty list.
func TestNodesThatComeLater(t *testing.T) {
	cfg := Config{NodesLater: true}
	cfg.SetDefaults()
	p, err := New("main", cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Model("m").Pick(Ask{}, nil); !errors.Is(err, ErrNoNode) {
		t.Errorf("a pool without nodes: %v, want ErrNoNode", err)
	}
	if _, err := p.Model("m").Pick(Ask{Key: 1, Stick: true}, nil); !errors.Is(err, ErrNoNode) {
		t.Errorf("a pool without nodes, with a key: %v, want ErrNoNode", err)
	}
	if err := p.Update([]NodeConfig{{Address: "a:1", Weight: 1}, {Address: "b:1", Weight: 1, Drained: true}}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		l, err := p.Model("m").Pick(Ask{}, nil)
		if err != nil || l.Node().Address() != "a:1" {
			t.Fatalf("picked %v, %v, want a:1: the other one joined drained", l.Node(), err)
		}
		l.Done(Success)
	}
	if err := p.Update(nil); err == nil || len(p.Members()) != 2 {
		t.Errorf("an empty list: %v, and %d members, want an error and 2", err, len(p.Members()))
	}
}
