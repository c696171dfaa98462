package balancer

import "time"

// Of nodes that batch, say when their runs begin, and decline what comes too late for the run that it was sent for, leastLoad takes the one
// that will have the request done first. In the simulation (bench/sim) that brings p99 from 1.22 to 1.07 times that of one central queue
// before eight nodes, and with 64 nodes and eight gateways from 1.43 to 1.13. See decision 0030.

const (
	// runsMemory is how many answers what runs take is an average of, of all nodes.
	runsMemory = 256
	// shortRun is from what time on runs are worth aiming at: the way there and back should be a small part of them.
	shortRun = 1500 * time.Microsecond
	// tieBits make times the same that are within a microsecond of each other: then nodes take turns.
	tieBits = 10
)

// heard takes in what a node said of the model with an answer.
func (p *leastLoad) heard(pl *placement, l Load, now time.Duration) {
	run := p.run.Load()
	takes := pl.opening.heard(l, now, run)
	if takes == 0 {
		return
	}
	if run == 0 {
		run = takes
	}
	p.run.Store(run + (takes-run)/runsMemory)
	if batch := int64(l.Batch); p.batch.Load() != batch {
		p.batch.Store(batch)
	}
}

// timely reports whether it is known of the group when its nodes begin runs, and may be gone by: what comes too late has to be declined, or
// p99 is 1.6 times the ideal with several gateways, and no better than by counting with one.
func (p *leastLoad) timely(g *group, a *ask) bool {
	return p.run.Load() >= int64(shortRun) && g.even && !a.bound
}

// soonest takes the node that will have a request done first.
func (p *leastLoad) soonest(g *group, field []candidate, a *ask) *placement {
	best := newContest()
	again := a.tried.Len() > 0
	alone := g.nodes[0].node.pool.alone(a.now)
	for i := range field {
		c := &field[i]
		if again && a.tried.Has(c.node) || !c.node.takes(a.worst) { // fits, in line
			continue
		}
		best.enter(i, c.node, uint64(p.ends(c, int64(a.now), alone))>>tieBits)
	}
	if best.at == 0 {
		return g.untried(p.rand(), a) // a sample may hold none
	}
	return best.winner(field, p.turns, a)
}

// ends is when a request that is sent now should be done, but for what any run takes.
func (p *leastLoad) ends(c *candidate, now int64, alone bool) int64 {
	o, run := &c.place.opening, p.run.Load()
	inflight := c.node.inflight.Load()
	if !o.known() {
		// It does not say: half a run to wait if it does anything, and its part of runs for all that it holds.
		if holds := inflight + c.node.load.foreign(time.Duration(now)); holds > 0 {
			now += run/2 + holds*run/max(1, p.batch.Load())
		}
		return now
	}
	held := c.place.inflight.Load()
	b := o.next(now, alone)
	at := b.at + b.before*o.each()
	if held > 0 {
		at = max(at, o.earliest(now, held))
	}
	if takes := o.takes.Load(); float64(takes) > slow*float64(run) && (held > 0 || now-o.heardAt.Load() < int64(paceSilence)) {
		at += takes - run // left alone for a while, it may be well again
	}
	// What it holds of other models shares with this one what the node has.
	return at + max(0, inflight-held)*run/max(1, o.batch.Load())
}

// explainTimely is explain where it is known when runs begin.
func (p *leastLoad) explainTimely(c *candidate, a *ask) Score {
	now, alone := int64(a.now), c.node.pool.alone(a.now)
	s := Score{Value: float64(p.ends(c, now, alone)-now) / float64(time.Millisecond), Unit: "ms"}
	o, inflight := &c.place.opening, c.node.inflight.Load()
	s.add("in flight", "%d", inflight)
	if !o.known() {
		s.add("next run", "not said")
		return s
	}
	b := o.next(now, alone)
	s.add("next run", "in %s", round(time.Duration(b.at-now)))
	if b.before > 0 {
		s.add("in it already", "%d", b.before)
	}
	s.add("a run takes", "%s", round(time.Duration(o.takes.Load())))
	held := c.place.inflight.Load()
	if earliest := o.earliest(now, held); held > 0 && earliest > b.at {
		s.add("not answered", "%d, so not before %s", held, round(time.Duration(earliest-now)))
	}
	if others := inflight - held; others > 0 {
		s.add("of other models", "%d", others)
	}
	return s
}
