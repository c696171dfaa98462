package main

import (
	"errors"
	"fmt"
	"time"

	"ganglion/balancer"
)

// newGateway makes the pool of a gateway that has the nodes of s in its configuration.
func newGateway(s *scenario, policy string, opt balancer.Options) (*balancer.Pool, error) {
	var cfg balancer.Config
	cfg.SetDefaults()
	cfg.Policy, cfg.MaxInflight = policy, s.limit
	if s.spared {
		cfg.Outlier.LatencyFactor = 0
	}
	// gobreaker has a clock of its own, which does not know the simulation's: nothing may depend on it. A circuit opens by
	// failures in a row and closes when the node is found to be back.
	cfg.Breaker.Window, cfg.Breaker.OpenTime = time.Hour, time.Hour
	var next int32
	opt.Join = func(*balancer.Node, balancer.NodeConfig) (any, error) { next++; return next - 1, nil }
	for i := range s.nodes {
		var n balancer.NodeConfig
		n.SetDefaults()
		n.Address = address(i)
		n.Weight = s.weight(i)
		cfg.Nodes = append(cfg.Nodes, n)
	}
	pool, err := balancer.New("simulated", cfg, opt)
	if err == nil {
		pool.Know(theModel)
	}
	return pool, err
}

// address is where gateways find the node of that index.
func address(node int) string { return fmt.Sprintf("10.0.%d.%d:9000", node/250, 1+node%250) }

// theModel is what all requests are for.
const theModel = "m"

// warm makes so many attempts that say nothing, so that gateways are not at the same turn: nobody starts them all in the same
// instant, and in a simulation of seconds they would stay in step.
func warm(pool *balancer.Pool, attempts int) {
	for range attempts {
		if lease, err := pool.Model(theModel).Pick(balancer.Ask{}, nil); err == nil {
			lease.Done(balancer.Neutral)
		}
	}
}

// send makes the next attempt of an exchange, or has it wait until a node is below its limit.
func (s *simulation) send(x int32) {
	if q := &s.waiting[s.gatewayOf(x)]; q.count > 0 || !s.trySend(x) {
		q.push(x)
	}
}

// letIn sends those who wait at a gateway, first come, first served, as far as nodes are below their limits. The pool's own queue
// does the same for goroutines, which a simulation has none of.
func (s *simulation) letIn(gateway int32) {
	q := &s.waiting[gateway]
	for q.count > 0 {
		if x := q.pop(); !s.trySend(x) {
			q.pushFront(x)
			return
		}
	}
}

// trySend makes an attempt, or ends the exchange if there is no node for it. False = every node is at its limit.
func (s *simulation) trySend(x int32) bool {
	e := &s.exchanges[x]
	r := &s.requests[e.request]
	var err error
	e.lease, err = s.gateways[r.gateway].Model(theModel).Pick(balancer.Ask{Key: r.key}, &e.tried)
	if errors.Is(err, balancer.ErrFull) {
		return false
	}
	if err != nil {
		s.finish(x, true)
		return true
	}
	e.node, e.most, e.within = e.lease.Node().Member().(int32), 0, 0
	if e.declines < int32(s.scenario.declines) {
		e.within = e.lease.Within()
		if most, conditional := e.lease.Expects(); conditional {
			e.most = int32(most)
		}
	}
	s.findings.picked(s.now, e.node, r)
	s.agenda.plan(event{at: s.now + wire, kind: arriveAtNode, what: x})
	return true
}

// answered ends an exchange with the answer of its node.
func (s *simulation) answered(x int32) {
	e := &s.exchanges[x]
	if s.common != nil {
		s.finish(x, false)
		return
	}
	e.lease.Node().Report(e.load)
	if s.scenario.declines > 0 {
		e.lease.Report(e.model)
	}
	e.lease.Done(balancer.Success)
	gateway := s.gatewayOf(x)
	s.finish(x, false)
	s.letIn(gateway)
}

// refused is what a gateway does with an attempt that failed: try another node, if the pool's budget allows.
func (s *simulation) refused(x int32) {
	e := &s.exchanges[x]
	pool := s.gateways[s.requests[e.request].gateway]
	e.lease.Done(balancer.Failure)
	gateway := s.gatewayOf(x)
	if e.tried.Len() >= pool.Attempts() || !pool.Retry() {
		s.finish(x, true)
	} else {
		s.send(x)
	}
	s.letIn(gateway)
}
