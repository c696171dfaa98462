package balancer

import (
	"sync/atomic"
	"time"
)

// opening is when a node that batches begins its next run of a model, as far as anybody knows. All who wait go together, so what counts
// is not how many they are but when the run before them ends, whether there is room, and how long their own run will take. Nodes say
// when with each answer, and the rest can be learned from that.
//
// Its words may be of different answers. A request that is sent for a run which has begun already is declined by the node, since it
// would wait for another whole run (see [Lease.Within]), so that whatever is wrong here costs the way there and back.
type opening struct {
	at      atomic.Int64 // when a run begins that has room, by the pool's clock, as far as is known; or unsaid, or idle
	said    atomic.Int64 // the same as the node said last
	heardAt atomic.Int64 // when
	owes    atomic.Int64 // since when an answer is due, if it has requests of ours: when it answered last, or got the first of them
	batch   atomic.Int64 // the most requests of a run
	room    atomic.Int64 // for how many the next one had room when the node said when it begins
	sent    atomic.Int64 // requests of ours since then

	// What runs take, in ns, as of when they begin: of late, and those of few requests; and the requests of those of late, in units
	// of 1/rowUnit.
	takes, least, rows atomic.Int64
}

// What at is besides a time.
const (
	unsaid = 0 // the node does not batch, or has not said anything yet
	idle   = 1 // it runs nothing
)

const (
	rowUnit = 1 << 10
	// takesMemory is how many answers what runs take is an average of, and leastMemory in how many the least is forgotten. Requests of
	// one run are answered together.
	takesMemory, leastMemory = 32, 256
	// sameRun is by which part of a run two words of when the next one begins may differ and still mean the same one.
	sameRun = 4
	// wayThere and a part of a run, aimAhead, is by how much a run should begin later than now for a request to be sent for it: the way
	// there and back, and what is wrong about the time. Where a run takes 10 ms, a 16th to a 6th of it do the same in the simulation
	// (bench/sim); where it takes 1 ms, 0.15 ms are better than 0.05, and no worse than 0.25.
	wayThere = 150 * time.Microsecond
	aimAhead = 24
	// patience is the part of a run that a request may wait longer at the node than was expected. A late run costs that at most; one that
	// was missed costs a whole run, and is declined.
	patience = 4
	// overdue is how many runs long a node that has requests of ours may answer none of them and do as it said: what was sent waits for one
	// run, may not fit into the next and is in the third, and full runs take longer than others.
	overdue = 4
)

// known reports whether the node batches and says when runs begin.
func (o *opening) known() bool { return o.at.Load() != unsaid }

// heard takes in what the node says of the model now, and returns how long its runs take, 0 if that is not known. typical is how long those
// of other nodes take.
func (o *opening) heard(l Load, now time.Duration, typical int64) (takes int64) {
	batch := int64(l.Batch)
	if batch < 2 {
		o.at.Store(unsaid)
		return 0
	}
	o.batch.Store(batch)
	o.heardAt.Store(int64(now))
	o.owes.Store(int64(now))
	if l.Wait > 0 && int64(l.Queued) < batch { // else it speaks of the run after the next
		o.learn(int64(l.Wait), int64(l.InFlight))
	}
	if takes = o.takes.Load(); takes == 0 {
		if takes = typical; takes == 0 {
			return 0
		}
		o.takes.Store(takes)
		o.least.Store(takes)
	}
	if l.Wait == 0 {
		o.at.Store(idle)
		return takes
	}
	at := int64(now + l.Wait)
	if moved := at - o.said.Swap(at); moved > takes/sameRun || -moved > takes/sameRun {
		o.sent.Store(0)
		o.room.Store(batch - int64(l.Queued)%batch)
	}
	o.at.Store(at)
	return takes
}

// learn takes in that a run which has just begun will take so long. Answers may overtake each other, which an average does not feel.
func (o *opening) learn(took, requests int64) {
	takes, least, rows := o.takes.Load(), o.least.Load(), o.rows.Load()
	if takes == 0 {
		takes = took
	}
	if least == 0 || took < least {
		least = took
	}
	o.takes.Store(takes + (took-takes)/takesMemory)
	o.least.Store(least + (took-least)/leastMemory)
	o.rows.Store(rows + (requests*rowUnit-rows)/takesMemory)
}

// declined takes in what the node said when it did not take a request.
func (o *opening) declined(l Load, now time.Duration) {
	at, batch := int64(now+l.Wait), max(1, o.batch.Load())
	o.heardAt.Store(int64(now))
	o.said.Store(at)
	o.sent.Store(0)
	o.room.Store(batch - int64(l.Queued)%batch)
	o.at.Store(at)
}

// berth is where a request comes that is sent now.
type berth struct {
	at     int64 // when it begins, by the pool's clock
	before int64 // requests of its run that are there before it
	passed int64 // runs that have begun since the node spoke, as it seems; the node spoke of none if it is idle
	idle   bool  // it begins at once, alone
}

// next is the berth of a request that is sent now. alone = nobody else sends work to the node.
func (o *opening) next(now int64, alone bool) berth {
	at, takes := o.at.Load(), max(1, o.takes.Load())
	sent, room, batch := o.sent.Load(), o.room.Load(), max(1, o.batch.Load())
	if at == idle || alone && sent == 0 && at <= now { // nobody is there with whom it could have begun a run
		return berth{at: now, idle: true}
	}
	var b berth
	if late := now + int64(wayThere) + takes/aimAhead - at; late > 0 && (!alone || sent > 0) {
		// The run has most likely begun by then: with what we sent, or with what others did, who keep the node busy for all we know.
		b.passed = late/takes + 1
	}
	full, over := int64(0), sent-room // runs that are full, and requests that are in the one after them
	if over >= 0 {
		full = 1 + over/batch
	}
	switch {
	case full < b.passed:
		full = b.passed
	case over >= 0:
		b.before = over % batch
	default:
		b.before = max(0, batch-room) + sent
	}
	b.at = at + full*takes
	return b
}

// earliest is when a request that is sent now may be run at best, whatever the node says of its runs, if it has held requests of ours.
// Two runs may be under way or full already. And a node that should have answered some of them long ago is believed to go on like
// that for as long again: one that hangs would otherwise look as if it went on with its runs, and get its share and more until it is found
// out to be silent.
func (o *opening) earliest(now, held int64) int64 {
	takes := o.takes.Load()
	behind := held/max(1, o.batch.Load()) - 2
	late := now - o.owes.Load() - overdue*takes
	return now + max(0, behind)*takes + max(0, late)
}

// each is what a request adds to a run: what runs of the usual size take longer than the shortest, shared out.
func (o *opening) each() int64 {
	more := o.rows.Load() - rowUnit
	if more < rowUnit {
		return 0
	}
	return max(0, o.takes.Load()-o.least.Load()) * rowUnit / more
}

// granted takes in that a request is sent, and returns how long it may wait at the node for that to be worth while.
func (o *opening) granted(now time.Duration, alone bool) (within time.Duration) {
	last, takes := o.at.Load(), o.takes.Load()
	b := o.next(int64(now), alone)
	within = time.Duration(b.at) - now + time.Duration(max(takes, int64(shortRun))/patience)
	batch, at, sent := o.batch.Load(), last+b.passed*takes, int64(1)
	switch {
	case b.idle: // it is run at once, alone, and then the next run begins
		at, sent = b.at+o.least.Load(), 0
	case b.passed > 0: // some of what was sent did not find room in those
		sent += max(0, o.sent.Load()-o.room.Load()-(b.passed-1)*batch)
	default:
		o.sent.Add(1)
		return within
	}
	if o.at.CompareAndSwap(last, at) {
		o.sent.Store(sent)
		o.room.Store(batch)
	}
	return within
}
