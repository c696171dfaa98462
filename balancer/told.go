package balancer

import "time"

// told finds the limit of a node that says how busy it is. Its own word beats all guessing: what a node should have is as much
// as it works on, and as much again to take when that is done, so that every batch is a full one; less leaves it waiting, and
// more only waits there instead of here, where it can still be put in order, sent elsewhere, or refused.
//
// A node looks at itself after it has taken its next batch. So nothing queued then means that it had less than it could take,
// or just as much; something queued means that it was not held up; more queued than works is a batch too many.
type told struct {
	limit float64
	eager bool // it has always been too little yet: grow by doubling

	began         time.Duration // the window
	ticks         int
	full, idle    int // of them, those at which the node had all that it may have, and those at which it queued nothing
	queued, works float64
	ours          float64
}

const (
	// toldTime is how long the node is watched for one decision: some batches of most models, each of which is heard of.
	toldTime = 250 * time.Millisecond
	// toldIdle is the part of the time for which a node may queue nothing. A batch that was taken leaves nothing behind for
	// as long as it takes the next requests to come.
	toldIdle = 0.2
	// toldStep is by which part the limit moves: several gateways that do so at once must not swing.
	toldStep = 0.125
)

func newTold() told { return told{limit: climbStart, eager: true} }

// tick takes in how the node is. full = it has as much as it may have from us, which is inflight; bound = the limit is in
// force.
func (t *told) tick(now time.Duration, full, bound bool, inflight int64, load Load) {
	t.ticks++
	t.ours += float64(inflight)
	t.queued += float64(load.Queued)
	t.works += float64(load.InFlight)
	if full {
		t.full++
	}
	if load.Queued == 0 {
		t.idle++
	}
	if now-t.began < toldTime {
		return
	}
	if bound {
		t.follow()
	} else {
		t.watch()
	}
	*t = told{limit: t.limit, eager: t.eager, began: now}
}

// follow moves a limit that is in force.
func (t *told) follow() {
	n := float64(t.ticks)
	switch {
	case float64(t.idle) > toldIdle*n:
		if 2*t.full < t.ticks {
			return // it is not the limit that keeps it from having more
		}
		step := max(1, toldStep*t.limit)
		if t.eager {
			step = t.limit
		}
		t.move(t.limit + step)
	case t.queued > t.works+n:
		t.eager = false
		// Of what is too much, others may have sent a part, and will take theirs back.
		over := t.excess()
		t.move(t.limit - min(max(1, over), max(1, toldStep*t.limit)))
	default:
		t.eager = false
	}
}

// watch works out what the limit should have been, where none is in force: what was there, less what was too much.
func (t *told) watch() {
	n := float64(t.ticks)
	had := t.ours / n
	switch {
	case float64(t.idle) > toldIdle*n:
		if had > t.limit {
			t.move(t.limit + toldStep*max(8, had-t.limit))
		}
	default:
		enough := had - t.excess()
		t.move(t.limit + (enough-t.limit)/4)
	}
}

// excess is how many of our requests are more than another batch.
func (t *told) excess() float64 {
	over := t.queued - t.works
	if over <= 0 || t.queued+t.works == 0 {
		return 0
	}
	// As many of them are ours as of all that it has.
	n := float64(t.ticks)
	return over / n * min(1, t.ours/(t.queued+t.works))
}

func (t *told) move(limit float64) { t.limit = min(max(limit, climbLeast), limitMost) }
