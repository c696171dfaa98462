package main

import (
	"errors"
	"time"

	"ganglion/backend/scheduler"
)

var errDead = errors.New("connection refused")

// die kills a node with all that it holds, and plans its return and the death of the next.
func (s *simulation) die(n *node) {
	n.alive = false
	n.life++
	n.forecast = scheduler.Forecast{}
	n.busy = 0
	clear(n.from)
	for i := range n.running {
		for _, x := range n.running[i].exchanges {
			s.drop(x)
		}
		n.running[i].exchanges = n.running[i].exchanges[:0]
	}
	for s.common == nil && n.queue.count > 0 {
		s.drop(n.queue.pop())
	}
	s.wake()
	s.findings.changed(s.now, n)
	s.spreadNews(n.index, noticedDead)
	c := s.scenario.churn
	s.agenda.plan(event{at: s.now + c.away, kind: nodeReturns, who: n.index})
	next := (n.index + int32(c.at)) % int32(len(s.nodes))
	s.agenda.plan(event{at: s.now + c.every, kind: nodeDies, who: next})
}

// revive brings a node back, empty.
func (s *simulation) revive(n *node) {
	n.alive = true
	s.findings.changed(s.now, n)
	s.spreadNews(n.index, noticedBack)
	s.wake()
}

// drop is the fate of a request whose node dies: its connection is reset, or it comes first in the central queue.
func (s *simulation) drop(x int32) {
	if s.common != nil {
		s.common.pushFront(x)
		return
	}
	s.agenda.plan(event{at: s.now + wire, kind: refused, what: x})
}

// spreadNews lets every gateway find out, each at its own time: by the defaults of package balancer two probes in a row must
// say so, the first of which comes within the interval and the second after the doubt interval.
func (s *simulation) spreadNews(node int32, kind eventKind) {
	const interval, doubt = time.Second, 250 * time.Millisecond
	for g := range s.gateways {
		delay := doubt + time.Duration(s.chance.Int64N(int64(interval)))
		s.agenda.plan(event{at: s.now + delay, kind: kind, who: int32(g), what: node})
	}
}
