package main

import (
	"time"

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
	pace    pace

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

// pace is what runs have been like of late: the arithmetic of package backend, which is not exported.
type pace struct {
	run      float64 // nanoseconds
	requests float64
}

// ran learns from a run. Each counts for an eighth.
func (p *pace) ran(took time.Duration, requests int) {
	if p.run == 0 {
		p.run, p.requests = float64(took), float64(requests)
		return
	}
	p.run += (float64(took) - p.run) / 8
	p.requests += (float64(requests) - p.requests) / 8
}

// wait is how long a request that comes now would wait: for half a run, when all instances are busy, and for the runs of those
// queued before it.
func (p *pace) wait(queued, busy, instances int) time.Duration {
	if busy < instances && queued == 0 {
		return 0
	}
	runs := 0.5 + float64(queued)/max(p.requests, 1)
	return time.Duration(p.run * runs / float64(instances))
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
		Wait: n.pace.wait(n.queue.count, n.busy, len(n.running)),
	}
	if l.InFlight > 0 {
		l.Worked = now - n.began
	}
	return l
}

// declines reports whether the node does not take an attempt that expects it to hold so many requests with it, or any number: others were
// quicker, and it could not begin at once. All that runs counts as one.
func (n *node) declines(most int) bool {
	return most > 0 && n.idle() < 0 && n.queue.count+1 >= most
}
