package balancer

import (
	"math"
	"time"
)

// curve guesses the limit of a node that says nothing of its load and is under none: how much it answered with so many
// requests at a time, as traffic had it. The knee of that is where more of them brought no more answers. What it has not
// seen it cannot know: under a load that the node carries easily, the knee is the load.
type curve struct {
	points [curvePoints]point

	began time.Duration // the window
	base  uint64        // answers then
	ticks int
	held  int64 // sum of what was in flight at each tick
	used  bool
}

// point is what came out with about so many requests at a time.
type point struct {
	rate float64
	held float64 // the mean of what was in flight
	at   time.Duration
	seen bool
}

const (
	// curvePoints are four for each doubling, up to 4096 requests.
	curvePoints = 4*12 + 1
	// curveTime is what one mean is of: many batches of most models.
	curveTime = time.Second
	// curveMemory is how long what was seen says something about the node of today.
	curveMemory = 2 * time.Minute
	// curveNear is as good as the best.
	curveNear = 0.95
	// curveRoom is how much above the knee a limit should be: the mean of what is in flight is less than its peaks.
	curveRoom = 1.25
)

// tick takes in how many requests are with the node, and how many it has answered since ever.
func (c *curve) tick(now time.Duration, inflight int64, answers uint64) {
	if !c.used {
		c.used, c.began, c.base = true, now, answers
		return
	}
	c.ticks++
	c.held += inflight
	took := now - c.began
	if took < curveTime {
		return
	}
	if held := float64(c.held) / float64(c.ticks); held >= 1 {
		p := &c.points[min(int(4*math.Log2(held)), curvePoints-1)]
		rate := float64(answers-c.base) / took.Seconds()
		if !p.seen || now-p.at > curveMemory {
			*p = point{rate: rate, held: held, seen: true}
		}
		p.rate += (rate - p.rate) / 8
		p.held += (held - p.held) / 8
		p.at = now
	}
	c.began, c.base, c.ticks, c.held = now, answers, 0, 0
}

// knee is the limit that what was seen suggests; 0 = nothing was seen.
func (c *curve) knee(now time.Duration) float64 {
	best := 0.0
	for i := range c.points {
		if p := &c.points[i]; p.seen && now-p.at <= curveMemory {
			best = max(best, p.rate)
		}
	}
	for i := range c.points {
		p := &c.points[i]
		if p.seen && now-p.at <= curveMemory && p.rate >= curveNear*best && best > 0 {
			return p.held * curveRoom
		}
	}
	return 0
}
