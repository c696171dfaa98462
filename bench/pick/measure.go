package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"ganglion/balancer"
)

// batch is how many leases a core takes in a row, and holds at once: so many that reading the clock before and after costs each
// of them less than a nanosecond, and so few that a batch is over before the scheduler takes the core away. Those that it takes
// away in between are slow, and do not count.
const batch = 64

// cost is what one pick and one report take, in nanoseconds, and how much a pick allocates.
type cost struct{ pick, done, allocations float64 }

// measure lets so many cores pick among so many nodes.
func measure(policy string, nodes, cores, rounds int) (cost, error) {
	pool, err := newPool(policy, nodes)
	if err != nil {
		return cost{}, err
	}
	model := pool.Know("model")
	pickers := make([]picker, cores)
	for i := range pickers {
		pickers[i] = picker{model: model, picks: make([]float64, 0, rounds), dones: make([]float64, 0, rounds)}
		pickers[i].rounds(20, uint64(i)) // what is made once is not counted
		pickers[i].picks, pickers[i].dones = pickers[i].picks[:0], pickers[i].dones[:0]
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var running sync.WaitGroup
	for i := range pickers {
		running.Go(func() { pickers[i].rounds(rounds, uint64(i)) })
	}
	running.Wait()
	runtime.ReadMemStats(&after)
	var picks, dones []float64
	for i := range pickers {
		if pickers[i].err != nil {
			return cost{}, fmt.Errorf("%s among %d: %w", policy, nodes, pickers[i].err)
		}
		picks, dones = append(picks, pickers[i].picks...), append(dones, pickers[i].dones...)
	}
	return cost{
		pick: undisturbed(picks), done: undisturbed(dones),
		allocations: float64(after.Mallocs-before.Mallocs) / float64(rounds*batch*cores),
	}, nil
}

func newPool(policy string, nodes int) (*balancer.Pool, error) {
	var cfg balancer.Config
	cfg.SetDefaults()
	cfg.Policy = policy
	for i := range nodes {
		var n balancer.NodeConfig
		n.SetDefaults()
		n.Address = fmt.Sprintf("10.0.%d.%d:9000", i/250, 1+i%250)
		cfg.Nodes = append(cfg.Nodes, n)
	}
	return balancer.New("bench", cfg, balancer.Options{})
}

// picker is what one core does.
type picker struct {
	model        *balancer.Model
	leases       [batch]balancer.Lease
	picks, dones []float64 // nanoseconds each, of every round
	err          error
}

// rounds takes leases and gives them back.
func (p *picker) rounds(rounds int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for range rounds {
		key := rng.Uint64() | 1
		began := time.Now()
		for i := range p.leases {
			var tried balancer.Tried
			if p.leases[i], p.err = p.model.Pick(balancer.Ask{Key: key + uint64(i)<<32}, &tried); p.err != nil {
				return
			}
		}
		picked := time.Now()
		for i := range p.leases {
			if i%16 == 0 {
				p.leases[i].Node().Report(balancer.Load{Known: true, Queued: rng.Uint32N(4), InFlight: 1})
			}
			p.leases[i].Done(balancer.Success)
		}
		ended := time.Now()
		p.picks = append(p.picks, float64(picked.Sub(began))/batch)
		p.dones = append(p.dones, float64(ended.Sub(picked))/batch)
	}
}

// undisturbed is what all but the quickest twentieth exceeds: what a round costs while nobody else is on its core, or on the
// other half of it.
func undisturbed(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/20]
}
