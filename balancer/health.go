package balancer

import (
	"math/rand/v2"
	"time"
)

// judge turns the answers to the probes of one node into its state. It is the arithmetic only: no clock, no socket.
type judge struct {
	rise, fall int
	state      State
	against    int // answers in a row that contradict the state
}

// hear takes one answer and reports whether the state changed.
//
// The first answer is believed at once, good or bad: at start there is nothing to weigh it against, and waiting for more
// would keep a gateway from serving, or would send requests to a node that has just said it is not ready.
func (j *judge) hear(ready bool) bool {
	if j.state == Unknown {
		j.state = stateOf(ready)
		return true
	}
	if stateOf(ready) == j.state {
		j.against = 0
		return false
	}
	j.against++
	needed := j.fall
	if ready {
		needed = j.rise
	}
	if j.against < needed {
		return false
	}
	j.state, j.against = stateOf(ready), 0
	return true
}

// adopt takes over a state that somebody else has set.
func (j *judge) adopt(state State) {
	if j.state != state {
		j.state, j.against = state, 0
	}
}

// inDoubt reports whether the next answer may decide something.
func (j *judge) inDoubt() bool { return j.state == Unknown || j.against > 0 }

func stateOf(ready bool) State {
	if ready {
		return Up
	}
	return Down
}

// pause is how long to wait before the next probe. It is shortened by a random part so that the probes of many gateways,
// started together by one deployment, drift apart.
func (c HealthConfig) pause(inDoubt bool) time.Duration {
	wait := c.Interval
	if inDoubt {
		wait = min(wait, c.DoubtInterval)
	}
	return wait - time.Duration(c.Jitter*rand.Float64()*float64(wait))
}

// recall finds out by probes that something else which was said of a node does not hold any more: that it leaves, that it does not
// answer. One good answer is too little: a node that has just told its gateways that it leaves may not have told its probes yet.
type recall struct{ rise, good int }

// hear takes the answer to a probe that was sent while that was said, or was not, and reports whether it is over.
func (r *recall) hear(said, ready bool) bool {
	if !said || !ready {
		r.good = 0
		return false
	}
	r.good++
	if r.good < r.rise {
		return false
	}
	r.good = 0
	return true
}
