package main

import (
	"math"
	"testing"
	"time"

	"ganglion/balancer"
)

// near fails unless got is within a part of want.
func near(t *testing.T, what string, got, want time.Duration, part float64) {
	t.Helper()
	if off := math.Abs(float64(got-want)) / float64(want); off > part {
		t.Errorf("%s = %v, theory says %v: %.1f %% off, accepted are %.1f %%", what, got, want, 100*off, 100*part)
	}
}

// atNode simulates one scenario and returns the mean and the 99th percentile of the time that requests spend at the nodes.
func atNode(t *testing.T, s scenario, policy string, requests int) (mean, p99 time.Duration) {
	t.Helper()
	sim, err := newSimulation(&s, policy, 1, s.draw(1, requests))
	if err != nil {
		t.Fatal(err)
	}
	f := sim.run()
	return f.mean() - 2*wire, f.quantile(0.99) - 2*wire
}

// theoryModel serves 100 requests a second.
var theoryModel = model{work: 10 * time.Millisecond, batch: 1, instances: 1}

// timesOf is d times a factor.
func timesOf(d time.Duration, factor float64) time.Duration {
	return time.Duration(factor * float64(d))
}

// enough requests for means within 3 % at a load of 0.5, where about every twentieth is independent of the others.
const enough = 100_000

func TestOneNodeIsAnMM1Queue(t *testing.T) {
	s := scenario{nodes: 1, gateways: 1, model: theoryModel, spread: exponential, load: 0.5}
	sojourn := timesOf(theoryModel.work, 1/(1-0.5)) // and exponentially distributed
	for _, policy := range []string{ideal, balancer.LeastConnections} {
		mean, p99 := atNode(t, s, policy, enough)
		near(t, policy+": mean", mean, sojourn, 0.03)
		near(t, policy+": p99", p99, timesOf(sojourn, math.Log(100)), 0.05)
	}
}

func TestOneNodeWithConstantWorkIsAnMD1Queue(t *testing.T) {
	s := scenario{nodes: 1, gateways: 1, model: theoryModel, spread: constant, load: 0.6}
	mean, _ := atNode(t, s, ideal, enough)
	// Pollaczek and Khinchine: half the wait of exponential work.
	near(t, "mean", mean, timesOf(theoryModel.work, 1+0.6/(2*(1-0.6))), 0.03)
}

// TestCentralQueueIsAnMMcQueue holds the ideal against Erlang's formula, with nodes of one instance and with one of many.
func TestCentralQueueIsAnMMcQueue(t *testing.T) {
	const servers, load = 8, 0.8
	offered := servers * load
	term, sum := 1.0, 0.0 // offered^k / k!
	for k := range servers {
		sum += term
		term *= offered / float64(k+1)
	}
	mustWait := term / (1 - load) / (sum + term/(1-load))
	want := timesOf(theoryModel.work, 1+mustWait/(servers*(1-load)))

	s := scenario{nodes: servers, gateways: 1, model: theoryModel, spread: exponential, load: load}
	mean, _ := atNode(t, s, ideal, enough)
	near(t, "mean of eight nodes", mean, want, 0.03)

	s.nodes, s.model.instances = 1, servers
	mean, _ = atNode(t, s, balancer.RoundRobin, enough)
	near(t, "mean of one node with eight instances", mean, want, 0.03)
}

// TestTurnsMakeArrivalsMoreRegular: each of two nodes that take turns gets every second arrival, an Erlang-2 process, and is
// an E2/M/1 queue.
func TestTurnsMakeArrivalsMoreRegular(t *testing.T) {
	s := scenario{nodes: 2, gateways: 1, model: theoryModel, spread: exponential, load: 0.5}
	// The root of sigma = A*(mu (1 - sigma)) below 1, where A* is the Laplace transform of the time between arrivals.
	sigma := 0.5
	for range 1000 {
		half := 2 * 0.5 / (2*0.5 + 1 - sigma) // of the transform: two exponential steps
		sigma = half * half
	}
	mean, _ := atNode(t, s, balancer.RoundRobin, enough)
	near(t, "mean", mean, timesOf(theoryModel.work, 1/(1-sigma)), 0.03)
}

// TestNodesBatchWhatWaits: a node that is never idle runs full batches, so that it does just what its model can do, and what
// a run adds to the work is shared.
func TestNodesBatchWhatWaits(t *testing.T) {
	s := scenario{nodes: 1, gateways: 1, model: batching, spread: constant, load: 2}
	const requests = 16_000
	sim, err := newSimulation(&s, balancer.RoundRobin, 1, s.draw(1, requests))
	if err != nil {
		t.Fatal(err)
	}
	sim.run()
	near(t, "time for a thousand full runs", sim.now, requests/16*12*time.Millisecond, 0.01)
}
