package main

import "ganglion/balancer"

// news is what a node tells all gateways of its load without being asked.
type news struct {
	node int32
	load balancer.Load
	own  []int32 // requests that are each gateway's own
}

// tell lets the node tell its load if that has changed: at once, or as soon as it may again.
func (s *simulation) tell(n *node) {
	often := s.scenario.told
	if often == 0 || s.common != nil || !n.alive || n.due {
		return
	}
	if next := n.toldAt + often; n.toldAt > 0 && s.now < next {
		n.due = true
		s.agenda.plan(event{at: next, kind: tellDue, who: n.index})
		return
	}
	load := n.loadExactly()
	if load == n.told {
		return
	}
	n.told, n.toldAt = load, s.now
	if len(s.spare) == 0 {
		s.news = append(s.news, news{})
		s.spare = append(s.spare, int32(len(s.news)-1))
	}
	at := s.spare[len(s.spare)-1]
	s.spare = s.spare[:len(s.spare)-1]
	s.news[at].node, s.news[at].load = n.index, load
	s.news[at].own = append(s.news[at].own[:0], n.from...)
	s.agenda.plan(event{at: s.now + wire, kind: heard, what: at})
}

// hear gives every gateway the news.
func (s *simulation) hear(at int32) {
	told := &s.news[at]
	for i, nodes := range s.members {
		nodes[told.node].Hear(told.load, int64(told.own[i]))
	}
	s.spare = append(s.spare, at)
}
