package main

import (
	"math/rand/v2"
	"time"

	"ganglion/balancer"
)

// simulation is one scenario under one policy, or under the ideal.
type simulation struct {
	scenario *scenario
	requests []request
	now      time.Duration
	agenda   agenda
	nodes    []*node
	gateways []*balancer.Pool // none: one central queue in place of gateways
	common   *queue           // the central queue, or nil
	chance   *rand.Rand       // when probes notice

	exchanges []exchange
	unused    []int32 // exchanges that may be used again
	ended     []int32 // scratch: those of the run that ends
	findings  *findings

	members [][]*balancer.Node // of each gateway
	waiting []queue            // of each gateway: exchanges for which every node is at its limit
	news    []news             // on their way
	spare   []int32            // news that may be used again
}

// exchange is a request on its way.
type exchange struct {
	request int32
	node    int32 // of the attempt
	lease   balancer.Lease
	tried   balancer.Tried
	load    balancer.Load // what the node said with the answer, or when it declined
	model   balancer.Load // what it said of the model with the answer
	own     int32         // how many of its requests were of this gateway, when it declined
	most    int32         // the most requests that the node should hold with it; 0 = any number
	within  time.Duration // for how long it may wait there; 0 = as long as it takes

	declines int32 // so far
}

// ideal is the name of the central queue among those of policies.
const ideal = "central queue"

// newSimulation makes the nodes, and a pool for each gateway.
func newSimulation(s *scenario, policy string, seed uint64, requests []request) (*simulation, error) {
	sim := &simulation{scenario: s, requests: requests, chance: stream(seed, 5), findings: newFindings(s, len(requests))}
	if policy == ideal {
		sim.common = &queue{}
	}
	for i := range s.nodes {
		q := sim.common
		if q == nil {
			q = &queue{}
		}
		n := newNode(i, s.model, s.speed(i), q)
		n.from, n.told = make([]int32, s.gateways), make([]telling, s.gateways)
		sim.nodes = append(sim.nodes, n)
	}
	if policy == ideal {
		return sim, nil
	}
	sim.waiting = make([]queue, s.gateways)
	for i := range s.gateways {
		g, err := newGateway(s, policy, balancer.Options{Now: sim.clock, Rand: stream(seed, 100+uint64(i)).Uint64})
		if err != nil {
			return nil, err
		}
		warm(g, sim.chance.IntN(s.nodes))
		sim.gateways = append(sim.gateways, g)
		sim.members = append(sim.members, g.Members())
	}
	return sim, nil
}

// clock is the time that pools see: any time at all, and the simulation's from there.
func (s *simulation) clock() time.Time { return time.Unix(1_000_000_000, 0).Add(s.now) }

// run simulates until every request is answered or lost.
func (s *simulation) run() *findings {
	if s.scenario.churn.at > 0 {
		for i := range s.scenario.churn.at {
			s.agenda.plan(event{at: s.scenario.churn.every, kind: nodeDies, who: int32(i)})
		}
	}
	if s.scenario.slows > 0 {
		s.agenda.plan(event{at: s.scenario.slows, kind: slows})
	}
	for next := 0; s.findings.over() < len(s.requests); {
		if next < len(s.requests) && (s.agenda.empty() || s.requests[next].at <= s.agenda.next()) {
			s.now = s.requests[next].at
			s.arrive(int32(next))
			next++
			continue
		}
		e := s.agenda.take()
		s.now = e.at
		s.happen(e)
	}
	return s.findings
}

func (s *simulation) happen(e event) {
	switch e.kind {
	case arriveAtNode:
		s.arriveAtNode(e.what)
	case endOfRun:
		if n := s.nodes[e.who]; n.life == e.life {
			s.endOfRun(n, int(e.what))
		}
	case answered:
		s.answered(e.what)
	case slows:
		n := s.nodes[e.who]
		n.speed /= s.scenario.slow
		s.findings.changed(s.now, n)
	case tellDue:
		s.nodes[e.who].due = false
		s.tell(s.nodes[e.who])
	case declined:
		s.declined(e.what)
	case heard:
		s.hear(e.what)
	case refused:
		s.refused(e.what)
	case nodeDies:
		s.die(s.nodes[e.who])
	case nodeReturns:
		s.revive(s.nodes[e.who])
	case noticedDead:
		s.mark(e, balancer.Down, errDead)
	case noticedBack:
		s.mark(e, balancer.Up, nil)
	}
}

// mark tells a gateway what has become of a node.
func (s *simulation) mark(e event, state balancer.State, cause error) {
	if err := s.gateways[e.who].Mark(address(int(e.what)), state, cause); err != nil {
		panic("BUG: " + err.Error())
	}
	s.letIn(e.who) // a node that is back has room
}

// arrive begins the exchange of a request.
func (s *simulation) arrive(r int32) {
	if len(s.unused) == 0 {
		s.exchanges = append(s.exchanges, exchange{})
		s.unused = append(s.unused, int32(len(s.exchanges)-1))
	}
	x := s.unused[len(s.unused)-1]
	s.unused = s.unused[:len(s.unused)-1]
	s.exchanges[x].request, s.exchanges[x].tried, s.exchanges[x].declines = r, balancer.Tried{}, 0
	if s.common != nil {
		s.agenda.plan(event{at: s.now + wire, kind: arriveAtNode, what: x})
		return
	}
	s.send(x)
}

// finish ends an exchange.
func (s *simulation) finish(x int32, lost bool) {
	s.findings.finish(s.exchanges[x].request, s.now-s.requests[s.exchanges[x].request].at, lost)
	s.unused = append(s.unused, x)
}

// arriveAtNode queues an attempt at its node, or at all of them.
func (s *simulation) arriveAtNode(x int32) {
	if s.common != nil {
		s.common.push(x)
		s.wake()
		return
	}
	n := s.nodes[s.exchanges[x].node]
	if !n.alive {
		s.agenda.plan(event{at: s.now + wire, kind: refused, what: x})
		return
	}
	if e := &s.exchanges[x]; n.declines(int(e.most), e.within, s.now) {
		s.decline(n, x)
		return
	}
	n.queue.push(x)
	n.from[s.gatewayOf(x)]++
	s.start(n)
	s.tell(n)
}

// wake lets the fastest idle node have what waits in the central queue.
func (s *simulation) wake() {
	for s.common != nil && s.common.count > 0 {
		var fastest *node
		for _, n := range s.nodes {
			if n.alive && n.idle() >= 0 && (fastest == nil || n.speed > fastest.speed) {
				fastest = n
			}
		}
		if fastest == nil {
			return
		}
		s.start(fastest)
	}
}

// start lets the idle instances of a node take what waits.
func (s *simulation) start(n *node) {
	for n.alive && n.queue.count > 0 {
		instance := n.idle()
		if instance < 0 {
			return
		}
		b := &n.running[instance]
		took := n.model.fixed
		for n.queue.count > 0 && len(b.exchanges) < n.model.batch {
			x := n.queue.pop()
			b.exchanges = append(b.exchanges, x)
			took += s.requests[s.exchanges[x].request].work
		}
		n.busy++
		n.began = s.now
		b.took = time.Duration(float64(took) / n.speed)
		b.until = s.now + n.forecast.Takes(len(b.exchanges))
		s.agenda.plan(event{at: s.now + b.took, kind: endOfRun, who: n.index, what: int32(instance), life: n.life})
	}
}

// endOfRun answers a batch. The instance has taken its next one before the answers are written.
func (s *simulation) endOfRun(n *node, instance int) {
	b := &n.running[instance]
	n.forecast.Ran(len(b.exchanges), b.took)
	s.ended = append(s.ended[:0], b.exchanges...)
	b.exchanges = b.exchanges[:0]
	n.busy--
	s.start(n)
	for _, x := range s.ended {
		if s.common == nil {
			n.from[s.gatewayOf(x)]--
		}
		s.exchanges[x].load, s.exchanges[x].model = n.loadNow(s.now), n.loadExactly(s.now)
		s.agenda.plan(event{at: s.now + wire, kind: answered, what: x})
	}
	s.tell(n)
}

func (s *simulation) gatewayOf(x int32) int32 { return s.requests[s.exchanges[x].request].gateway }
