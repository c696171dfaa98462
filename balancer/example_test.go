package balancer_test

import (
	"errors"
	"fmt"

	"ganglion/balancer"
)

// One exchange: the first attempt, and further ones on other nodes as far as the pool and its budget allow.
func ExampleModel_Pick() {
	var cfg balancer.Config
	cfg.SetDefaults()
	cfg.Policy = balancer.RoundRobin
	cfg.Nodes = []balancer.NodeConfig{{Address: "10.0.0.1:9000", Weight: 1}, {Address: "10.0.0.2:9000", Weight: 1}}
	pool, err := balancer.New("main", cfg, balancer.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}

	send := func(address string) error {
		if address == "10.0.0.1:9000" {
			return errors.New("connection refused")
		}
		return nil
	}

	var tried balancer.Tried
	for attempt := 1; attempt <= pool.Attempts(); attempt++ {
		if attempt > 1 && !pool.Retry() {
			fmt.Println("the retry budget is spent")
			return
		}
		lease, err := pool.Model("").Pick(balancer.Ask{}, &tried)
		if err != nil {
			fmt.Println(err)
			return
		}
		address := lease.Node().Address()
		if err := send(address); err != nil {
			lease.Done(balancer.Failure)
			fmt.Println(address, err)
			continue
		}
		lease.Done(balancer.Success)
		fmt.Println(address, "answered")
		return
	}
	// Output:
	// 10.0.0.1:9000 connection refused
	// 10.0.0.2:9000 answered
}
