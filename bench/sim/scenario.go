package main

import (
	"fmt"
	"time"

	"ganglion/balancer"
)

// scenario is one pool under one load.
type scenario struct {
	name     string
	why      string // what it shows
	nodes    int
	gateways int
	model    model
	speeds   []float64 // of the nodes, in turn; empty = all 1
	weighted bool      // the gateways are told the speeds as weights
	spread   spread
	bursts   bursts
	slow     float64       // the first node takes so many times as long; 0 = no
	slows    time.Duration // when it begins to; 0 = it has always been so
	churn    churn
	load     float64 // offered, as a fraction of what the nodes can do
	requests int     // simulated by default

	limit int           // requests of one gateway at one node at a time; the others wait at the gateway. 0 = any number
	told  time.Duration // nodes tell gateways of every change of their load, at most so often; 0 = they tell with answers only
	// How often nodes may decline what others were quicker with, for each request.
	declines int

	spared bool // no node is ejected as an outlier
}

// churn takes nodes away. The zero value takes none.
type churn struct {
	every, away time.Duration // after every, the next node dies, and it comes back after away
	at          int           // so many nodes at a time
}

// wire is the time from gateway to node and from node to gateway. Two machines in one room and their kernels take that long.
const wire = 100 * time.Microsecond

var (
	// plain is a node that runs one request after the other, 5 ms each: a small language or vision model on a GPU.
	plain = model{work: 5 * time.Millisecond, batch: 1, instances: 1}
	// batching is a node whose runs take 4 ms and half a millisecond a request: 2.7 times the throughput, together.
	batching = model{fixed: 4 * time.Millisecond, work: 500 * time.Microsecond, batch: 16, instances: 1}
)

// fullLoad is the load of the goals.
const fullLoad = 0.8

// scenarios are all that a run does by default, in the order of the table.
func scenarios() []scenario {
	var all []scenario
	add := func(s scenario, nodes, gateways int) {
		s.nodes, s.gateways, s.load = nodes, gateways, fullLoad
		s.name = fmt.Sprintf("%s, %d × %d", s.name, gateways, nodes)
		switch { // as package backend does
		case s.model.batch > 1:
			s.declines = balancer.DeclinesMost
		case gateways > 1:
			s.told, s.declines = balancer.NewsPause(nodes), balancer.DeclinesMost
		}
		if s.requests == 0 {
			s.requests = 200_000
		}
		all = append(all, s)
	}
	equal := scenario{name: "equal", why: "equal nodes, requests alike", model: plain}
	add(equal, 2, 1)
	add(equal, 2, 8)
	add(equal, 8, 1)
	add(equal, 8, 8)
	add(equal, 64, 1)
	add(equal, 64, 8)
	add(equal, 64, 32)
	add(equal, 1000, 1)
	add(equal, 1000, 32)
	uneven := scenario{name: "uneven", why: "requests differ (exponential)", model: plain, spread: exponential}
	add(uneven, 8, 1)
	add(uneven, 8, 8)
	add(uneven, 64, 8)
	mixed := scenario{name: "mixed", why: "every second node is twice as fast, and no weight says so", model: plain, speeds: []float64{1, 2}}
	add(mixed, 8, 1)
	add(mixed, 8, 8)
	add(mixed, 64, 8)
	mixed.name, mixed.why, mixed.weighted = "weights", "the same with weights 1 and 2", true
	add(mixed, 8, 8)
	batches := scenario{name: "batches", why: "nodes that batch up to 16", model: batching}
	add(batches, 2, 1)
	add(batches, 8, 1)
	add(batches, 8, 8)
	add(batches, 64, 8)
	several := scenario{name: "instances", why: "nodes that run four requests at a time, each four times as long", model: model{work: 20 * time.Millisecond, batch: 1, instances: 4}}
	add(several, 8, 1)
	add(several, 8, 8)
	waves := scenario{name: "bursts", why: "every 400 ms, 100 ms of 1.75 times the mean rate", model: plain}
	waves.bursts = bursts{period: 400 * time.Millisecond, length: 100 * time.Millisecond, high: 1.75}
	add(waves, 8, 1)
	add(waves, 8, 8)
	add(waves, 64, 8)
	slow := scenario{name: "slow", why: "one node takes ten times as long", model: plain, slow: 10}
	add(slow, 2, 1)
	add(slow, 8, 1)
	add(slow, 8, 8)
	add(slow, 64, 8)
	slow.name, slow.why, slow.slows, slow.requests = "slows", "one node takes ten times as long from the tenth second on", 10*time.Second, 40_000
	add(slow, 8, 1)
	add(slow, 8, 8)
	slow.name, slow.why, slow.spared = "slows (none ejected)", "the same, without the ejection of outliers", true
	add(slow, 8, 1)
	limited := scenario{name: "limited", why: "requests differ (exponential), and each node has one at a time: the gateway's queue is the central one", model: plain, spread: exponential, limit: 1}
	add(limited, 8, 1)
	// A process that is killed and started again by what runs it, loads its model and is there again.
	dying := scenario{name: "churn", why: "an eighth of the nodes is killed every 5 s and back after 3 s", model: plain}
	dying.churn = churn{every: 5 * time.Second, away: 3 * time.Second, at: 1}
	add(dying, 8, 1)
	add(dying, 8, 8)
	dying.churn.at = 8
	add(dying, 64, 8)
	return all
}

// speed is how fast the node of that index is.
func (s *scenario) speed(index int) float64 {
	speed := 1.0
	if len(s.speeds) > 0 {
		speed = s.speeds[index%len(s.speeds)]
	}
	if s.slow > 0 && s.slows == 0 && index == 0 {
		speed /= s.slow
	}
	return speed
}

// weight is what the gateways' configuration says of the node.
func (s *scenario) weight(index int) int {
	if !s.weighted {
		return 1
	}
	return int(s.speed(index))
}

// rate is the mean number of requests a second. Nodes that churn takes away count as away all the time, so that the load is
// never more than what is there can do.
func (s *scenario) rate() float64 {
	sum := 0.0
	for i := range s.nodes {
		sum += s.speed(i)
	}
	sum *= float64(s.nodes-s.churn.at) / float64(s.nodes)
	return s.load * sum * s.model.capacity()
}
