package balancer

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Reason is the word for why a placement is ejected.
type Reason uint8

// The zero Reason is none of these.
const (
	// Slow: requests take longer than on the other nodes.
	Slow Reason = iota + 1
	// Silent: it has work and answers nothing, while others do.
	Silent
	// Failing: more requests fail than on the other nodes.
	Failing
)

// String is the word used in logs, in metrics and on the status page.
func (r Reason) String() string {
	switch r {
	case Slow:
		return "slow"
	case Silent:
		return "silent"
	case Failing:
		return "failing"
	}
	return "none"
}

// Ejection is why a model is not sent to a node as long as others are fit: the node's figures and those of the others.
type Ejection struct {
	Reason   Reason
	Requests int           // that were looked at; for Silent, those in flight on the node
	Latency  time.Duration // the median of them; for Silent, for how long there was no answer
	Others   time.Duration // the others' median; for Silent, their slowest request
	Share    float64       // that failed
	// OthersShare is the part that fails on the others, at the median of them.
	OthersShare float64
	// For is how long it is left alone before single requests find out how it is.
	For time.Duration
}

// String is the ejection in a line, for people.
func (e Ejection) String() string {
	switch e.Reason {
	case Slow:
		return fmt.Sprintf("slow: %s, on the others %s", short(e.Latency), short(e.Others))
	case Silent:
		return fmt.Sprintf("silent for %s with %d requests in flight; the slowest on the others took %s", short(e.Latency), e.Requests, short(e.Others))
	case Failing:
		return fmt.Sprintf("failing: %.0f%% of %d, on the others %.0f%%", 100*e.Share, e.Requests, 100*e.OthersShare)
	}
	return ""
}

// short has three digits.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// eject leaves the placement out for a while. The caller holds Pool.control and publishes it.
func (pl *placement) eject(why Ejection, now time.Duration) {
	c := pl.conduct.Load()
	why.For = c.setback.next(now, pl.model.pool.random())
	c.verdict = why
	// An answer ends the silence, but not of a node that answers once in a while.
	if c.hushed = why.Reason == Silent && c.setback.step <= 1; c.hushed {
		why.For = min(why.For, hushPause)
	}
	c.fine, c.poor = 0, 0
	c.lookAt.Store(int64(now + why.For))
	c.ejections.Add(1)
	pl.ejected.Store(true)
	pl.tellEjected(true, why)
}

// hushPause is how long a placement is left alone at most that has fallen silent for the first time: what stops one for longer than
// its requests may wait, a collector or a compiler of kernels, is over in that time, and the answers that would say so may have been
// given up. To ask too early costs one request the wait of Model.Silent.
const hushPause = time.Second

// release takes the placement back. What it did before says nothing of what comes, unless it had only been silent. The caller holds
// Pool.control and publishes it.
func (pl *placement) release(c *conduct, now time.Duration) {
	why := c.verdict
	if c.hushed {
		c.hushed = false
		c.lookAt.Store(0)
		c.verdict = Ejection{}
	} else {
		c.acquit(pl.counters(now))
	}
	c.setback.recovered(now)
	pl.ejected.Store(false)
	pl.tellEjected(false, why)
}

// acquit forgets what speaks against the placement.
func (c *conduct) acquit(count mark) {
	c.hushed, c.silent = false, 0
	c.lookAt.Store(0)
	c.stopwatch.forget()
	c.tally.restart(count)
	c.verdict = Ejection{}
}

// The looks that decide about an ejected placement, each a single request: it returns after looksFine that found it as quick as
// the others, and is left out for longer after looksPoor that did not. Where times vary, one of ten requests is slow on a node
// that is well, and one of ten is quick on one that is ten times slower.
const (
	looksFine = 3
	looksPoor = 2
)

// looked takes the end of a request that was sent to find out how the placement is.
func (pl *placement) looked(e ending) {
	o, now, p := e.outcome, e.now, pl.model.pool
	p.control.Lock()
	defer p.control.Unlock()
	c := pl.conduct.Load()
	if c == nil || !pl.ejected.Load() {
		return
	}
	others, slower := pl.model.outliers.slower(pl, newTiming(now-e.began, now-e.began, now), now)
	switch {
	case o == Failure || o == Faulty:
		c.poor = looksPoor
	case o != Success && slower && c.verdict.Reason == Silent:
		c.poor = looksPoor // still: nothing is as certain
	case slower: // be it that nobody waited for the end
		c.poor++
	case o == Neutral:
		c.lookAt.Store(int64(now + judgeEvery)) // it says nothing; the next one may
	default:
		c.fine++
	}
	switch {
	case c.fine >= looksFine:
		pl.release(c, now)
		pl.model.changed()
	case c.poor >= looksPoor:
		why := c.verdict
		if slower && (o == Success || why.Reason != Silent) {
			why = Ejection{Reason: Slow, Requests: c.poor, Latency: now - e.began, Others: others}
		}
		pl.eject(why, now)
		pl.model.changed()
	}
}

// slower reports whether a request on the placement took longer than is allowed for what is usual on the others, and what is.
func (o *outliers) slower(pl *placement, t timing, now time.Duration) (others time.Duration, slower bool) {
	if o.cfg.LatencyFactor == 0 {
		return 0, false
	}
	var usually, latencies, gaps []logTime
	since := tickOf(now - o.cfg.Window)
	for _, other := range o.field {
		c := other.conduct.Load()
		if other == pl || c == nil || other.ejected.Load() {
			continue
		}
		if usual, ok := c.stopwatch.typical(since); ok {
			allow := o.allowance(pl, other)
			usually = append(usually, usual.latency)
			latencies, gaps = append(latencies, usual.latency+allow.latency), append(gaps, usual.gap+allow.gap)
		}
	}
	if len(latencies) == 0 {
		return 0, false // nobody to compare it with
	}
	return median(usually).duration(), t.beyond(timing{latency: median(latencies), gap: median(gaps)}, allowance{})
}

// tellEjected lets those know who want to. The caller holds Pool.control.
func (pl *placement) tellEjected(ejected bool, why Ejection) {
	p, n := pl.model.pool, pl.node
	log := p.log.With(slog.String("pool", p.name), slog.String("node", n.address), slog.String("model", pl.model.label()))
	if ejected {
		log.LogAttrs(context.Background(), slog.LevelWarn, "node ejected", why.attrs()...)
	} else {
		log.Info("node returned", slog.String("was", why.Reason.String()))
	}
	if p.observe != nil {
		circuit := roughly(pl.breaker.Load().circuit())
		p.observe(Change{
			Pool: p.name, Node: n, Model: pl.model, State: n.State(), OldState: n.State(), Circuit: circuit, OldCircuit: circuit,
			Ejected: ejected, WasEjected: !ejected, Why: why,
		})
	}
}

// attrs are the figures for the log.
func (e Ejection) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("why", e.Reason.String()), slog.Duration("for", e.For.Round(time.Millisecond))}
	switch e.Reason {
	case Slow:
		return append(attrs, slog.Duration("latency", short(e.Latency)),
			slog.Duration("others", short(e.Others)), slog.Int("requests", e.Requests))
	case Silent:
		return append(attrs, slog.Duration("silent", short(e.Latency)),
			slog.Duration("others_slowest", short(e.Others)), slog.Int("in_flight", e.Requests))
	case Failing:
		return append(attrs, slog.Float64("failing", e.Share), slog.Float64("others", e.OthersShare), slog.Int("requests", e.Requests))
	}
	return attrs
}
