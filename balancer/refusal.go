package balancer

import "time"

// Refusal is why a node would not take an attempt, in its own words.
type Refusal uint8

// The zero Refusal is none of these.
const (
	// Full: it has no room for more of this model.
	Full Refusal = iota + 1
	// RetryAfter: it wants nothing of this model before some time has passed.
	RetryAfter
	// NotReady: it does not have the model, or not yet.
	NotReady
	// Draining: it is about to leave.
	Draining
)

const (
	// restLeast is how long a node is left alone that does not say for how long it is full: a few batches. Less would send
	// it the next attempt in the same burst.
	restLeast = 50 * time.Millisecond
	// restMost bounds how long a node can keep itself out of the pool with a word: nobody knows how busy it will be in a
	// minute.
	restMost = 30 * time.Second
	// missingTime is how long a node counts as not having a model that it said it has not. A probe that asks for the model
	// is quicker; without one, an attempt finds out, which another node repeats: at one in ten seconds nobody feels it.
	missingTime = 10 * time.Second
)

// Refused notes that the node refused the attempt and would refuse others: one that only answers quickly that it is full
// would look like the least loaded of all. d is the time the node asked for, 0 if it named none. It comes before Done, and
// keeps the time the attempt took from saying anything of the node's speed.
//
// Full and RetryAfter let the model rest on this node for d, at most 30 s. After NotReady the node counts as not having the
// model until a probe says otherwise or ten seconds have passed; the common model knows no missing, since it stands for
// names that clients may have made up. Draining is the node's Goaway.
func (l *Lease) Refused(r Refusal, d time.Duration) {
	l.untimed = true
	pl := l.place
	now := pl.model.pool.now()
	switch r {
	case Full, RetryAfter:
		pl.rest(now, min(max(d, restLeast), restMost))
	case NotReady:
		if !pl.model.Common() {
			pl.refusedAsMissing(now)
		}
	case Draining:
		pl.node.Goaway()
	}
}

// rest leaves the placement alone for d. Only the first of several refusals in a row publishes it; the later ones, of
// attempts that were under way, may only make it longer.
func (pl *placement) rest(now, d time.Duration) {
	until := int64(now + d)
	for {
		before := pl.rests.Load()
		if before >= until {
			return
		}
		if pl.rests.CompareAndSwap(before, until) {
			if before <= int64(now) {
				pl.rested.Add(1)
				pl.logRest(d)
				pl.model.publish()
			}
			return
		}
	}
}

// refusedAsMissing notes that the node does not have the model.
func (pl *placement) refusedAsMissing(now time.Duration) {
	p := pl.model.pool
	if until, yes := pl.lacks(now); yes && until-now > missingTime/2 {
		return // of many attempts under way, the first has said it
	}
	p.control.Lock()
	defer p.control.Unlock()
	pl.note(true, now, missingTime)
}
