package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
)

// hedge is a second attempt that is made on another node while the first one is late. It has a request and an answer of its
// own, which is why the two can never mix, and shares with the first attempt only what nobody writes: the client's headers
// and body. It belongs to its exchange, which does not end before the hedge has.
//
// The first attempt runs on the exchange's goroutine as it would without a hedge. All that a hedge costs an exchange that
// needs none is starting and stopping a timer; the goroutine that a timer calls its function on is the hedge's.
type hedge struct {
	x     *exchange
	aim   aim
	model *balancer.Model
	timer *time.Timer
	done  chan struct{} // holds one token once run, if it was called, is over

	out  outbound
	resp fasthttp.Response

	// Of run, and of the exchange once it has the token.
	node    *node // that it was sent to; nil = it was not sent
	verdict verdict
	err     error
}

// hedged is what became of an exchange's hedge.
type hedged uint8

const (
	hedgeNone hedged = iota
	hedgeLost        // the first attempt was quicker after all, or the client has left
	hedgeWon
	hedgeFailed // and so did the first attempt
)

// String is the word in the access log.
func (h hedged) String() string { return [...]string{"", "lost", "won", "failed"}[h] }

// hedgeTally counts the hedges of a pool.
type hedgeTally struct {
	sent, won  atomic.Uint64
	overBudget atomic.Uint64 // not made: the budget is spent
	noRoom     atomic.Uint64 // not made: no other node is idle enough
	noNode     atomic.Uint64 // not made: there is no other node
	stateful   atomic.Uint64 // not made: the request may be a part of a sequence
}

// deny counts a hedge that was not made.
func (t *hedgeTally) deny(err error) {
	switch {
	case errors.Is(err, balancer.ErrBudget):
		t.overBudget.Add(1)
	case errors.Is(err, balancer.ErrBusy):
		t.noRoom.Add(1)
	default:
		t.noNode.Add(1)
	}
}

// hedgeStatus is nil for a pool that does not hedge.
func (up *upstream) hedgeStatus() *HedgeStatus {
	if !up.Hedges() {
		return nil
	}
	t := &up.hedges
	st := &HedgeStatus{Sent: t.sent.Load(), Won: t.won.Load(), After: map[string]float64{}}
	st.Denied = t.overBudget.Load() + t.noRoom.Load() + t.noNode.Load() + t.stateful.Load()
	for _, m := range up.Models() {
		if delay, ok := m.HedgeAfter(); ok {
			st.After[or(m.Name(), anyModel)] = delay.Seconds()
		}
	}
	return st
}

// hedgeFor is the exchange's hedge if its next attempt, for that model, may have one; else nil. Only the first attempt may:
// a later one is made because something is wrong already. Requests of a sequence must not be on two nodes.
func (x *exchange) hedgeFor(a aim, m *balancer.Model) *hedge {
	if x.attempts > 0 || a.stick {
		return nil
	}
	delay, ok := m.HedgeAfter()
	if !ok {
		return nil
	}
	h := x.hedge
	if h == nil {
		h = &hedge{x: x, done: make(chan struct{}, 1)}
		x.hedge = h
	}
	h.aim, h.model = a, m
	h.out.method, h.out.target, h.out.headers, h.out.body = x.out.method, x.out.target, x.out.headers, x.out.body
	h.out.deadline = x.deadline
	x.out.pair(&h.out)
	if h.timer == nil {
		h.timer = time.AfterFunc(delay, h.run)
	} else {
		h.timer.Reset(delay)
	}
	return h
}

// race makes the first attempt, and its hedge if that is late. It returns when both have.
func (x *exchange) race(h *hedge, lease *balancer.Lease) (v verdict, answered bool) {
	running := true
	defer func() {
		if running { // a panic passes through
			h.settle(h.stop())
		}
	}()
	v, answered = x.attempt(lease, h.aim)
	ran := !h.timer.Stop()
	if ran {
		if !v.retry && !v.beaten {
			h.out.breakOff() // the answer is there, or nobody waits for it
		}
		<-h.done
	}
	x.takeBack(lease, v, ran && h.node != nil)
	running = false
	if ran && h.node != nil {
		v, answered = x.conclude(h, v, answered)
	}
	h.settle(ran)
	return v, answered
}

// stop ends the hedge, whatever it is doing, and reports whether it ran.
func (h *hedge) stop() (ran bool) {
	if h.timer.Stop() {
		return false
	}
	h.out.breakOff()
	<-h.done
	return true
}

// settle readies the hedge for another exchange. It is not running.
func (h *hedge) settle(ran bool) {
	h.x.out.unpair()
	h.out.headers = nil // they are the first attempt's
	if ran || h.out.left {
		h.out.reset()
		h.resp.Reset()
	}
	h.node, h.verdict, h.err, h.model = nil, verdict{}, nil, nil
}

// run makes the second attempt. The timer calls it.
func (h *hedge) run() {
	defer func() {
		if r := recover(); r != nil { // out here no server would
			g := h.x.gateway
			g.panics.Add(1)
			g.log.Error("a hedge panicked: this is a bug", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			h.err = errors.New("BUG: panic in a hedge")
		}
		h.done <- struct{}{}
	}()
	x := h.x
	pool := x.variant.pool
	if maybeSequence(&h.out) {
		pool.hedges.stateful.Add(1)
		return
	}
	lease, err := h.model.Hedge(balancer.Ask{Key: h.aim.key}, &x.met)
	if err != nil {
		pool.hedges.deny(err)
		return
	}
	pool.hedges.sent.Add(1)
	h.node = memberOf(lease.Node())
	h.verdict.retry = true // what a panic leaves: the first attempt is all there is
	h.out.start = time.Now()
	h.verdict, h.err = x.try(&lease, &h.out, &h.resp)
	if h.err == nil && !h.verdict.retry {
		x.out.beat() // the first attempt need not go on
	}
}

// maybeSequence reports whether a request that does not say so in its header may be part of a sequence: it is then for the
// node that had the others.
func maybeSequence(out *outbound) bool {
	return bytes.Contains(out.body, []byte("sequence_id"))
}

// conclude chooses between two attempts that are both over. The first one's answer, if it is as good as any, is taken even
// if the hedge was quicker by a hair: it is where it has to be.
func (x *exchange) conclude(h *hedge, v verdict, answered bool) (verdict, bool) {
	x.note(h.node)
	if late := h.out.end.Sub(x.out.end); late > 0 {
		x.upstream += late
		x.out.end = h.out.end
	}
	good := h.err == nil && !h.verdict.retry
	switch {
	case answered && !v.retry:
		x.hedged = hedgeLost
		return v, true
	case good:
		x.hedged = hedgeWon
		x.variant.pool.hedges.won.Add(1)
		x.takeOver(h)
		return h.verdict, true
	case !v.retry: // the client has left, or its time is over
		x.hedged = hedgeLost
		return v, false
	}
	if x.hedged = hedgeFailed; h.verdict.reason == reasonClientGone {
		x.hedged = hedgeLost
	}
	return x.bothFailed(h, v, answered)
}

// bothFailed makes one failure of two.
func (x *exchange) bothFailed(h *hedge, v verdict, answered bool) (verdict, bool) {
	last := h.verdict
	if !last.unsent && !v.unsent {
		x.sent++
	}
	for _, died := range []bool{v.died, last.died} {
		if died {
			x.deaths++
		}
	}
	last.unsent, last.died, last.retry = last.unsent && v.unsent, false, last.retry && v.retry
	if answered {
		x.keep(v)
	}
	if h.err != nil {
		x.cause = h.err
		return last, false
	}
	x.cause = errAnswered(&h.resp)
	x.takeOver(h)
	return last, true
}

// takeOver makes the hedge's answer the exchange's, memory and all.
func (x *exchange) takeOver(h *hedge) {
	x.out.answer, h.out.answer = h.out.answer, x.out.answer
	x.resp.Reset()
	h.resp.Header.CopyTo(&x.resp.Header)
	x.resp.SkipBody = h.resp.SkipBody
	body := h.resp.Body()
	buffer := h.resp.SwapBody(nil)
	if len(body) > 0 && (len(buffer) == 0 || &buffer[0] != &body[0]) {
		x.resp.SetBodyRaw(body) // a large one, in memory that is not the response's
		return
	}
	h.resp.SwapBody(x.resp.SwapBody(buffer))
}

// pair has rival left alone with out: whoever breaks one off breaks off the other.
func (out *outbound) pair(rival *outbound) {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.rival = rival
	if out.left {
		rival.breakOff()
	}
}

// unpair ends what pair has begun.
func (out *outbound) unpair() {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.rival = nil
}

// beat makes the attempt that runs end with errLeft, because its rival has a good answer. Nothing follows it.
func (out *outbound) beat() {
	out.mu.Lock()
	defer out.mu.Unlock()
	if !out.left {
		out.lost = true
		out.halt()
	}
}

// beaten reports whether the rival was quicker.
func (out *outbound) beaten() bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.lost
}
