package main

import "ganglion/balancer"

// news is what a node tells gateways of its load without being asked.
type news struct {
	node int32
	load balancer.Load
	own  []int32 // requests that are each gateway's own; -1 = it is not told
}

// telling is what a node told one gateway last.
type telling struct {
	others int32 // requests that were not the gateway's own
	known  bool
}

// news reports whether the gateway should be told of so many: nodes leave out changes by less than an eighth.
func (t telling) news(others int32) bool {
	return !t.known || max(others-t.others, t.others-others) > t.others/8
}

// tell lets the node tell its load to those for whom that has changed: at once, or as soon as it may again.
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
	held := int32(n.queue.count + n.inFlight())
	at := int32(-1)
	for g := range n.told {
		others := held - n.from[g]
		if !n.told[g].news(others) {
			continue
		}
		if at < 0 {
			at = s.freshNews(n)
		}
		s.news[at].own[g] = n.from[g]
		n.told[g] = telling{others, true}
		s.findings.heard++
	}
	if at < 0 {
		return
	}
	n.toldAt = s.now
	s.agenda.plan(event{at: s.now + wire, kind: heard, what: at})
}

// freshNews is news of the node that nobody is told of yet.
func (s *simulation) freshNews(n *node) int32 {
	if len(s.spare) == 0 {
		s.news = append(s.news, news{own: make([]int32, s.scenario.gateways)})
		s.spare = append(s.spare, int32(len(s.news)-1))
	}
	at := s.spare[len(s.spare)-1]
	s.spare = s.spare[:len(s.spare)-1]
	told := &s.news[at]
	told.node, told.load = n.index, s.loadToTell(n)
	for g := range told.own {
		told.own[g] = -1
	}
	return at
}

// loadToTell is what the node says without an answer. Only nodes that decline say for how long they have worked.
func (s *simulation) loadToTell(n *node) balancer.Load {
	load := n.loadExactly(s.now)
	if s.scenario.declines == 0 {
		load.Worked = 0
	}
	return load
}

// hear gives the gateways the news.
func (s *simulation) hear(at int32) {
	told := &s.news[at]
	for i, nodes := range s.members {
		if told.own[i] >= 0 {
			nodes[told.node].Hear(told.load, int64(told.own[i]))
		}
	}
	s.spare = append(s.spare, at)
}

// decline lets the node say that it does not take an attempt, and why.
func (s *simulation) decline(n *node, x int32) {
	e := &s.exchanges[x]
	g := s.gatewayOf(x)
	e.load, e.own = s.loadToTell(n), n.from[g]
	n.told[g] = telling{int32(n.queue.count+n.inFlight()) - n.from[g], true}
	s.agenda.plan(event{at: s.now + wire, kind: declined, what: x})
}

// declined is what a gateway does with an attempt that was declined: make another one, by what it knows now.
func (s *simulation) declined(x int32) {
	e := &s.exchanges[x]
	e.lease.Declined(e.load, int64(e.own), &e.tried)
	e.declines++
	s.findings.declines++
	gateway := s.gatewayOf(x)
	s.send(x)
	s.letIn(gateway)
}
