package main

import (
	"math"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/balancer"
)

// model is what runs on the nodes.
type model struct {
	fixed     time.Duration // what any run takes on a node of speed 1
	work      time.Duration // the mean of what each request adds to it
	batch     int           // the most requests of one run
	instances int           // runs that a node makes at a time
}

// capacity is how many requests a second a node of speed 1 can answer.
func (m model) capacity() float64 {
	run := m.fixed + time.Duration(m.batch)*m.work
	return float64(m.batch*m.instances) / run.Seconds()
}

// node is one process that answers requests: a queue, and instances that take batches out of it, as package
// backend/scheduler does without a queue delay.
type node struct {
	index   int32
	model   model
	speed   float64
	alive   bool
	life    int32 // how often it has died; events of an earlier life mean nothing
	queue   *queue
	running []batch // of each instance
	busy    int

	forecast scheduler.Forecast

	began time.Duration // when the run that began last did

	from   []int32   // requests that it holds, by gateway
	told   []telling // what it told, by gateway
	toldAt time.Duration
	due    bool // it will tell

	load   balancer.Load // as of loadAt
	loadAt time.Duration
}

// batch is what an instance runs; empty = nothing.
type batch struct {
	exchanges []int32
	took      time.Duration
	until     time.Duration // when it should have run, as the node foresaw
}

func newNode(index int, m model, speed float64, q *queue) *node {
	return &node{index: int32(index), model: m, speed: speed, alive: true, queue: q, running: make([]batch, m.instances), loadAt: -time.Hour}
}

// idle is an instance that runs nothing, or -1.
func (n *node) idle() int {
	if n.busy == len(n.running) {
		return -1
	}
	for i := range n.running {
		if len(n.running[i].exchanges) == 0 {
			return i
		}
	}
	return -1
}

// inFlight counts the requests in runs.
func (n *node) inFlight() int {
	sum := 0
	for i := range n.running {
		sum += len(n.running[i].exchanges)
	}
	return sum
}

// wait is how long a request would wait that comes now, as package backend/scheduler foresees it.
func (n *node) wait(now time.Duration) time.Duration {
	if n.queue.count == 0 && n.busy < len(n.running) {
		return 0
	}
	first := time.Duration(math.MaxInt64)
	for i := range n.running {
		first = min(first, n.running[i].until)
	}
	ahead := time.Duration(n.queue.count/n.model.batch) * n.forecast.Takes(n.model.batch) / time.Duration(len(n.running))
	return max(0, first-now) + ahead
}

// loadAge is how old what a node says of itself may be: package backend looks again after that time.
const loadAge = time.Millisecond

// loadNow is what the node says with an answer.
func (n *node) loadNow(now time.Duration) balancer.Load {
	if now-n.loadAt > loadAge {
		n.loadAt, n.load = now, n.loadExactly(now)
	}
	return n.load
}

func (n *node) loadExactly(now time.Duration) balancer.Load {
	l := balancer.Load{
		Known: true, Queued: uint32(n.queue.count), InFlight: uint32(n.inFlight()),
		Wait: n.wait(now), Batch: uint8(min(n.model.batch, math.MaxUint8)),
	}
	if l.InFlight > 0 {
		l.Worked = now - n.began
	}
	return l
}

// declines reports whether the node does not take an attempt: others were quicker, and it could not begin at once. One that batches looks
// at how long the request may wait, any other at how many the node may hold with it, where all that runs counts as one. Of both, 0 is any.
func (n *node) declines(most int, within, now time.Duration) bool {
	if n.model.batch > 1 {
		return within > 0 && n.wait(now) > within
	}
	return most > 0 && n.idle() < 0 && n.queue.count+1 >= most
}
