package balancer

import (
	"sync/atomic"
	"time"
)

// Decision is one lease from its pick to its end, for whoever records them.
type Decision struct {
	Node       *Node
	Pool       *Pool
	Model      string // "" = one that the pool does not know by name
	Ask        Ask
	Attempt    int           // of its exchange, from 1
	Candidates int           // of the standing that the policy chose among; 1 for a trial
	Ahead      int64         // requests that the node held, with this one, as far as was known
	Picked     time.Time     // when
	Took       time.Duration // until the lease was done
	Outcome    Outcome
	Load       Load // what the node said of itself last
}

// Recording takes decisions of any number of pools. Make it with NewRecording.
type Recording struct {
	decisions chan Decision
	dropped   atomic.Uint64
}

// NewRecording makes a recording that holds so many decisions which nobody has taken yet. More are dropped and counted: whoever
// ends a lease does not wait.
func NewRecording(room int) *Recording { return &Recording{decisions: make(chan Decision, room)} }

// Decisions are those that were recorded, in the order in which their leases ended. The channel is never closed.
func (r *Recording) Decisions() <-chan Decision { return r.decisions }

// Dropped is how many decisions found no room.
func (r *Recording) Dropped() uint64 { return r.dropped.Load() }

func (r *Recording) add(d Decision) {
	select {
	case r.decisions <- d:
	default:
		r.dropped.Add(1)
	}
}

// Record has every lease that ends from now on noted in r, until EndRecord. False = the pool is being recorded already. A pool
// that is not recorded pays one atomic load a lease.
func (p *Pool) Record(r *Recording) bool { return p.recording.CompareAndSwap(nil, r) }

// EndRecord ends the recording, if it is r.
func (p *Pool) EndRecord(r *Recording) { p.recording.CompareAndSwap(r, nil) }

// record notes the end of a lease.
func (p *Pool) record(r *Recording, l *Lease, o Outcome) {
	took := p.now() - l.began
	r.add(Decision{
		Node: l.place.node, Pool: p, Model: l.place.model.name, Ask: l.ask, Attempt: l.attempt, Candidates: l.among, Ahead: l.ahead,
		Picked: time.Now().Add(-took), Took: took, Outcome: o, Load: l.place.node.Load(),
	})
}
