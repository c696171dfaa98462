package gateway

import (
	"testing"
	"testing/synctest"
	"time"

	"ganglion/balancer"
)

// Two nodes that died with a request are an outage if the others are found dead a moment later, and else the request's doing.
func TestAnOutageIsNoPoison(t *testing.T) {
	for name, outage := range map[string]bool{"an outage": true, "a poison": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nodes := []*node{new(node), new(node), new(node)}
				cfg := balancer.Config{}
				cfg.SetDefaults()
				for _, address := range []string{"10.0.0.1:9000", "10.0.0.2:9000", "10.0.0.3:9000"} {
					cfg.Nodes = append(cfg.Nodes, balancer.NodeConfig{Address: address, Weight: 1})
				}
				pool, err := balancer.New("main", cfg, balancer.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for i, n := range pool.Members() {
					nodes[i].of = n
				}
				x := &exchange{variant: &variant{model: pool.Model("")}, attempts: 2}
				x.tried[0], x.tried[1] = nodes[0], nodes[1]
				if outage {
					time.AfterFunc(30*time.Millisecond, func() { _ = pool.Mark("10.0.0.3:9000", balancer.Down, nil) })
				}
				if live := x.othersLive(); live == outage {
					t.Errorf("others live: %v", live)
				}
			})
		})
	}
}
