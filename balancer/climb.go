package balancer

import (
	"math"
	"time"
)

// climber finds the limit of a node that says nothing of its load, by the only thing that tells there: how much it answers.
//
// Latency does not tell. A node that batches takes longer for each request the more it has at a time, and does more for it;
// limits that follow the growth of latency (gradients, bandwidth times least delay) shrink its batches until it does little,
// quickly. So the climber does as BBR does with its gain: now and then it lets the node have half as much again for a while,
// and a third less, and compares what came out with what comes out at the limit in between. If more brought more, the limit
// grows; if less brought the same, it shrinks. Comparing neighbours in time makes it blind to everything that changes slowly.
// Gateways that share the node do all of that at the same moments, without knowing of each other: by their clocks.
//
// It learns only while the limit is what keeps the node from having more. Without demand all limits give the same.
type climber struct {
	limit  float64 // what it has found
	trying float64 // what is in force

	stage   stage
	began   time.Duration // the stage
	settled bool          // what was there before the stage is gone
	base    uint64        // answers when it settled
	ticks   int           // since it settled
	short   int           // of them, those at which the node had less than it might
	rates   [stages]float64
	trials  evidence

	eager bool    // more has always brought much more yet: one trial is enough
	known bool    // the rate at the limit is, as of a moment ago
	usual float64 // it was, when the trials of this limit began
	turn  int64   // number of the last moment at which trials begin
}

// stage is a part of a trial.
type stage uint8

const (
	unchanged stage = iota // at the limit, until the next trial
	more                   // above it
	between                // at the limit
	less                   // below it
	stages    = iota
)

// evidence is what several trials of one limit have brought, as parts of the rate at that limit.
type evidence struct {
	trials          int
	up, down, noise float64 // sums: with more, with less, and between two stages at the limit
	needed          float64 // what less left in one trial that showed it beyond doubt; 0 = none did
}

// add takes in one trial.
func (e *evidence) add(rates *[stages]float64) {
	usual := (rates[unchanged] + rates[between]) / 2
	e.trials++
	e.up += rates[more] / usual
	e.down += rates[less] / usual
	e.noise += math.Abs(rates[unchanged]-rates[between]) / usual
}

// weigh says which way the trials point: above 0 up, below 0 down, 0 neither. sure = more of them would not change that. Rates that
// differ at the same limit say how far those of the trials can be trusted; that doubt shrinks with their number.
func (e *evidence) weigh() (way int, sure bool) {
	n := float64(e.trials)
	doubt := e.noise / n / math.Sqrt(n)
	helps := e.up/n - (1 + climbWorth*(climbGain-1))
	spares := e.down/n - (1 - climbWorth*(1-1/climbGain))
	switch {
	case helps > doubt && spares < 0:
		return 1, true
	case spares > doubt/2 && helps < 0:
		return -1, true
	}
	return 0, helps < -doubt && spares < -doubt || e.trials >= climbTrialsMost
}

const (
	// climbGain is how much more a trial gives, and how much less by its inverse. With smaller steps what they bring
	// disappears in the noise of the rates.
	climbGain = 1.5
	// climbWorth is the part of a step that it must bring in answers. Half as much again must bring 5 % more; a third less
	// must cost 3.3 %. Below that it is queue, not work.
	climbWorth = 0.1
	// climbEager is the same where one trial is enough: in the beginning, while each brings so much that no noise is.
	climbEager = 0.4
	// climbTrials is how many trials decide, so that one that met a pause does not.
	climbTrials = 3
	// climbTrialsMost is when they have said all that they will: where no more is seen than noise, the limit is good enough.
	climbTrialsMost = 9
	// climbTime is the least time of a stage, climbMost the longest of a slow node, which should have answered twice. It goes by
	// the node and not by how much came out: gateways that share it have different parts of that, and their stages have to
	// coincide. Where little comes out the noise says so, and there are more trials.
	climbTime = time.Second
	climbMost = 5 * time.Second
	// climbRound is how often there are trials, climbApart what lies between the climbTrials of one round. All begin by the
	// clock, so that gateways which share a node try at the same moments: who tries alone gets more from the node at the
	// cost of the others, which looks as if more were better.
	climbRound = 30 * time.Second
	climbApart = 5 * time.Second
	// climbCost is the part of a step that a stage with less costs when it need not go on, nor come again for this limit: all
	// of what it could still show is paid for by clients. Half of it is far from the tenth that is asked for, and from none.
	climbCost = 0.5
	// climbStart is where it begins: two batches of a common size.
	climbStart = 16
	// climbLeast is the least limit: one request that runs, and one that is there when it is done.
	climbLeast = 2
	// climbChange is a rate at the same limit that is so different that the node is not what it was.
	climbChange = 1.25
)

func newClimber() climber {
	return climber{limit: climbStart, trying: climbStart, eager: true}
}

// tick takes in how the node is now, and leaves in trying the limit that should be in force. clock is the time that gateways have
// in common. full = it has as much as it may. answers counts up since ever; each is the time that one takes now, roughly.
func (c *climber) tick(now, clock time.Duration, full bool, answers uint64, each time.Duration) {
	if c.marked(clock) && c.stage == unchanged && c.known {
		c.enter(more, now)
		return
	}
	if !c.settled {
		if now-c.began < max(2*each, climbTime/10) {
			return
		}
		c.settled, c.began, c.base, c.ticks, c.short = true, now, answers, 0, 0
		return
	}
	c.ticks++
	if !full {
		c.short++
	}
	took, got := now-c.began, float64(answers-c.base)
	if c.stage == less && c.costs(took, got) {
		c.trials.needed = got / took.Seconds() / c.rates[between]
	} else if took < min(max(climbTime, 2*each), climbMost) {
		return
	}
	if 10*c.short > c.ticks {
		c.known = false
		c.enter(unchanged, now) // nothing to be learned: it did not want more
		return
	}
	c.rates[c.stage] = got / took.Seconds()
	c.advance(now)
}

// costs reports whether less has been seen to cost much, beyond what chance does to a count, and to rates at the same limit.
func (c *climber) costs(took time.Duration, got float64) bool {
	usual := c.rates[between]
	expected := usual * took.Seconds()
	doubt := 0.0 // of a whole stage
	switch {
	case took < climbTime/2:
		return false
	case took < climbTime:
		doubt = 1/math.Sqrt(expected) + math.Abs(c.rates[unchanged]-usual)/usual
	}
	return got < expected*(1-climbCost*(1-1/climbGain)-doubt)
}

// advance goes on to the next stage.
func (c *climber) advance(now time.Duration) {
	switch c.stage {
	case unchanged:
		c.notice()
		c.known = true
		c.enter(unchanged, now)
	case more:
		if c.eager && c.rates[more] > c.rates[unchanged]*(1+climbEager*(climbGain-1)) {
			c.move(c.limit*climbGain, now)
			return
		}
		c.enter(between, now)
	case between:
		if c.trials.needed == 0 {
			c.enter(less, now)
			return
		}
		c.rates[less] = c.trials.needed * c.rates[between]
		c.conclude(now)
	case less:
		c.conclude(now)
	}
}

// conclude ends a trial.
func (c *climber) conclude(now time.Duration) {
	c.eager = false
	c.trials.add(&c.rates)
	c.decide(now)
}

// decide draws the conclusion of the trials so far, if there are enough.
func (c *climber) decide(now time.Duration) {
	way, sure := c.trials.weigh()
	switch {
	case c.trials.trials < climbTrials || !sure:
		c.enter(unchanged, now)
	case way > 0:
		c.move(c.limit*climbGain, now)
	case way < 0:
		c.move(c.limit/climbGain, now)
	default:
		c.trials = evidence{}
		c.enter(unchanged, now)
	}
}

// move makes that the limit.
func (c *climber) move(limit float64, now time.Duration) {
	c.limit = min(max(limit, climbLeast), limitMost)
	c.afresh()
	c.enter(unchanged, now)
}

// notice starts over when the node is not what it was.
func (c *climber) notice() {
	rate := c.rates[unchanged]
	if c.usual > 0 && (rate > climbChange*c.usual || rate*climbChange < c.usual) {
		c.afresh()
	}
	if c.usual == 0 {
		c.usual = rate
	}
}

// afresh forgets what was found out about a limit.
func (c *climber) afresh() { c.trials, c.usual, c.known = evidence{}, 0, false }

// marked reports whether a moment has come at which trials begin: more often while one is enough.
func (c *climber) marked(clock time.Duration) bool {
	turn := int64(clock / climbApart)
	if turn == c.turn {
		return false
	}
	c.turn = turn
	return c.eager || turn%int64(climbRound/climbApart) < climbTrials
}

// enter begins a stage.
func (c *climber) enter(s stage, now time.Duration) {
	c.stage, c.began, c.settled = s, now, false
	switch s {
	case more:
		c.trying = min(c.limit*climbGain, limitMost)
	case less:
		c.trying = max(c.limit/climbGain, 1)
	default:
		c.trying = c.limit
	}
}
