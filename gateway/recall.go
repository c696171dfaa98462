package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
)

// A node may live, answer its probes and keep its connections, and yet answer nothing for one model: a deadlock in a library, a GPU
// that hangs. The pool ejects that model from the node as silent, so that nothing new goes there but a request that finds out once
// in a while. What waits there already, and the one that finds out, is recalled after the time in which any answer should have come,
// and goes elsewhere like what waits for a node that gives no sign of life. So is what is left of it when the model answers again: a
// node that was restarted within, or one of whose instances hangs still, may have forgotten it.

// recaller recalls what waits where a model is silent. It belongs to a pool.
type recaller struct {
	wake chan struct{} // holds one token: something has fallen silent

	mu     sync.Mutex
	silent []silence
}

// silence is a model on a node where it answers nothing.
type silence struct {
	model *balancer.Model
	node  *balancer.Node

	patience time.Duration // as long as a request may wait, by the last look
	over     time.Time     // when a look found that it answers again; zero = it is silent
}

// of reports whether both are about the same model and node.
func (s *silence) of(other *silence) bool { return s.model == other.model && s.node == other.node }

func newRecaller() *recaller { return &recaller{wake: make(chan struct{}, 1)} }

// observe is told of changes of the pool's nodes.
func (r *recaller) observe(c balancer.Change) {
	if !c.Ejected || c.Why.Reason != balancer.Silent {
		return
	}
	r.note(silence{model: c.Model, node: c.Node})
	signal(r.wake)
}

// note has the next look see to s, unless there is news of the same model and node.
func (r *recaller) note(s silence) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.silent, func(other silence) bool { return other.of(&s) }) {
		r.silent = append(r.silent, s)
	}
}

// run recalls, for as long as something is silent, until ctx ends.
func (r *recaller) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		tick.Stop()
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		for r.look(time.Now()) {
			tick.Reset(lookEvery)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// look recalls what has waited for too long by now, and reports whether there is any silence left.
func (r *recaller) look(now time.Time) bool {
	r.mu.Lock()
	silent := r.silent
	r.silent = nil
	r.mu.Unlock()
	for _, s := range silent { // without the lock, since the pool has its own when it calls observe
		if s.look(now) {
			r.note(s)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.silent) > 0
}

// look recalls what has waited for too long by now, and reports whether it has to look again.
func (s *silence) look(now time.Time) (again bool) {
	patience, silent := s.model.Silent(s.node)
	before := now.Add(-patience)
	switch {
	case silent:
		s.patience, s.over = patience, time.Time{}
	case s.patience == 0:
		return false // it was over before anybody looked
	case s.over.IsZero():
		s.over = now
		return true
	case now.Sub(s.over) < s.patience:
		return true // it may be working on all that it has
	default:
		before = s.over
	}
	if s.model.Another(&balancer.Tried{}) {
		memberOf(s.node).waits.recall(s.model, before)
	}
	return silent
}

// waits is what waits for a node's answer and may be recalled.
type waits struct {
	recalled atomic.Uint64

	mu   sync.Mutex
	outs []*outbound
}

// enter begins the wait of out, which nobody else changes until leave.
func (w *waits) enter(out *outbound, m *balancer.Model) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out.wait = wait{model: m, place: len(w.outs)}
	w.outs = append(w.outs, out)
}

// leave ends it, and reports whether out was recalled and somebody still waits for an answer.
func (w *waits) leave(out *outbound) (recalled bool) {
	w.mu.Lock()
	place, last := out.wait.place, len(w.outs)-1
	moved := w.outs[last]
	w.outs[place], moved.wait.place = moved, place
	w.outs[last], w.outs = nil, w.outs[:last]
	recalled = out.wait.recalled
	w.mu.Unlock()
	return recalled && out.resume()
}

// recall makes what waits for the model since before then come back.
func (w *waits) recall(m *balancer.Model, before time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, out := range w.outs {
		if q := &out.wait; q.model == m && !q.recalled && out.start.Before(before) {
			q.recalled = true
			out.recall()
		}
	}
}

// wait is an outbound's place among those that wait for a node. Guarded by waits.mu.
type wait struct {
	model    *balancer.Model
	place    int
	recalled bool
}

// carry sends out to the node, which may be recalled from there unless it is patient.
func (n *node) carry(out *outbound, m *balancer.Model, resp *fasthttp.Response) (err error) {
	if out.patient {
		return n.transport.roundTrip(out, resp)
	}
	n.waits.enter(out, m)
	defer func() { // also when a panic passes through
		if n.waits.leave(out) && errors.Is(err, errLeft) {
			n.waits.recalled.Add(1)
			err = errStuck
		}
	}()
	return n.transport.roundTrip(out, resp)
}

// errStuck is an attempt that was recalled. Nobody is blamed for it: the pool has passed its sentence already.
var errStuck = &transportError{phase: stuck, err: errors.New("others are answered by other nodes"), blameless: true}

// recall makes the attempt that runs end with errLeft. Another one may follow, after resume.
func (out *outbound) recall() {
	out.mu.Lock()
	defer out.mu.Unlock()
	if !out.left && !out.lost {
		out.recalled = true
		out.halt()
	}
}

// resume readies out, of which no attempt runs, for the one after it was recalled, and reports whether somebody waits for that.
func (out *outbound) resume() bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.left || out.lost {
		return false
	}
	out.recalled = false
	out.exchange.Reset()
	return true
}
