package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// ewmaDecay is the time in which an older latency loses all but 1/e of its say. Long enough for an average over the
	// hundreds of answers that a node gives in it, short enough that one odd peak costs a node little of its share.
	ewmaDecay = 2 * time.Second
	// ewmaExplore is how long a node is left alone because it was slow. After that one attempt finds out how it is now: a
	// slow node costs one slow answer a second, and one that has recovered is found within a second.
	ewmaExplore = time.Second
	// ewmaUnknown stands for the latency of a node that has not answered its first attempt yet: more than any other's.
	ewmaUnknown = time.Hour
)

// peakEWMA takes the node with the least latency times requests in flight, for its weight. A latency is an average that
// jumps to every peak and then forgets it over time, not over answers: a node that has become slow, and answers rarely for
// that, is noticed with its first slow answer. The idea is Finagle's.
//
// A latency that is never measured again would keep its node out for ever, as happens with other proxies' rules of this
// kind. So a node that has had nothing to do for ewmaExplore is the best of all, for one attempt.
type peakEWMA struct {
	turns *turns
	rand  func() uint64
}

// latency is what a node's answers took.
type latency struct {
	average atomic.Uint64 // nanoseconds, as the bits of a float64; 0 = none yet
	at      atomic.Int64  // when an attempt last ended, by the pool's clock
}

func newPeakEWMA(m makings) *peakEWMA {
	return &peakEWMA{rand: m.rand, turns: m.turns}
}

func (p *peakEWMA) choose(g *group, a ask) *placement {
	var some sample
	field := some.of(g, p.rand)
	best := newContest()
	again := a.tried.Len() > 0
	for i := range field {
		c := &field[i]
		if again && a.tried.Has(c.node) || !c.node.takes(a.worst) { // fits, in line
			continue
		}
		best.enter(i, c.node, c.place.latency.score(c, a.now))
	}
	if best.at == 0 {
		return g.untried(p.rand(), &a) // a sample may hold none
	}
	return best.winner(field, p.turns, &a)
}

// explain implements scorer.
func (p *peakEWMA) explain(_ *group, c *candidate, a *ask) Score {
	l := &c.place.latency
	s := Score{Value: math.Float64frombits(l.score(c, a.now)) / burdenUnit / 1e6, Unit: "ms"}
	if average := math.Float64frombits(l.average.Load()); average > 0 {
		s.add("latency", "%.1f ms", average/1e6)
	}
	s.add("in flight", "%d", c.node.inflight.Load())
	s.addWeight(c)
	if s.Value == 0 {
		s.add("to be explored", "")
	}
	return s
}

// score grows with the time after which the node would have answered one more.
func (l *latency) score(c *candidate, now time.Duration) uint64 {
	inflight := max(0, c.node.inflight.Load())
	average := math.Float64frombits(l.average.Load())
	if inflight == 0 && (average == 0 || int64(now)-l.at.Load() >= int64(ewmaExplore)) {
		return 0
	}
	if average == 0 {
		average = float64(ewmaUnknown)
	}
	// Positive numbers compare like their bits.
	return math.Float64bits(coarse(average) * float64(inflight+1) * float64(c.each))
}

// coarse rounds down to a quarter of a power of two. Between nodes whose latencies differ by less, turns are fairer than
// giving one all of the light traffic for an accident of measurement.
func coarse(x float64) float64 { return math.Float64frombits(math.Float64bits(x) &^ (1<<50 - 1)) }

// memory is how much of the average is still worth knowing. After a silence the first answer is all that is known.
func (l *latency) memory(now time.Duration) float64 {
	age := max(0, now-time.Duration(l.at.Load()))
	if age >= ewmaExplore {
		return 0
	}
	return math.Exp(-age.Seconds() / ewmaDecay.Seconds())
}

// granted implements bookkeeper.
func (p *peakEWMA) granted(*placement, time.Duration) int64 { return 0 }

// returned implements bookkeeper. What failed or was given up took at least that long, but says nothing of how quick the
// node would have been: else a node that fails fast would look like the best of all.
func (p *peakEWMA) returned(e ending) {
	l := &e.place.latency
	took := float64(max(1, e.now-e.began))
	for {
		old := l.average.Load()
		average := math.Float64frombits(old)
		switch {
		case took >= average && (e.outcome == Success || old != 0):
			average = took
		case e.outcome == Success:
			average = took + (average-took)*l.memory(e.now)
		}
		if l.average.CompareAndSwap(old, math.Float64bits(average)) {
			l.at.Store(int64(e.now))
			return
		}
	}
}
