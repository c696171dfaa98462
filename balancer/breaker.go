package balancer

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Circuit is what a breaker says about a node, or about a model on a node.
type Circuit uint8

const (
	// Closed lets attempts pass.
	Closed Circuit = iota
	// HalfOpen lets one trial attempt pass; its outcome closes or opens the circuit.
	HalfOpen
	// Open keeps attempts away until the open time is over, or unless no better node is left.
	Open
)

// String is the word used in logs, in metrics and on the status page.
func (c Circuit) String() string {
	switch c {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	}
	return "open"
}

// The errors with which outcomes are put to gobreaker; nobody sees them.
var (
	errBlamed  = errors.New("the node is to blame")
	errNeutral = errors.New("the attempt says nothing about the node")
)

// breaker is a gobreaker circuit breaker that can be read without its mutex.
//
// gobreaker asks for permission before each attempt, at the price of its mutex. A closed circuit would always permit, so
// attempts through one come to it only when they are done, as calls (Execute) that have ended already, just to have their
// outcome counted; picking then costs one atomic load. Counting attempts when they end has a merit of its own: those in
// flight do not dilute the failure rate of a node that hangs. Neither does it take the callback that gobreaker would
// allocate for each attempt of two steps. Of trials there is one at a time (trialOut), for which gobreaker is asked
// beforehand whether the circuit is half-open, and told afterwards.
//
// Most attempts succeed, and what a success changes in gobreaker is two things. It ends a row of failures, which the first one
// after a failure has done for all that follow: only that one comes to gobreaker. And it counts in the share of failures, which
// nobody asks for until the next failure: so successes are counted beside gobreaker (good), and ReadyToTrip, which gobreaker
// calls at each failure, takes the count from there. On a healthy node a success therefore costs one atomic addition, where
// gobreaker's mutex is taken twice for each and shared by all cores.
type breaker struct {
	gobreaker *gobreaker.CircuitBreaker[struct{}]
	closed    [2]func() (struct{}, error)           // of attempts through a closed circuit, by succeeded; made once
	now       func() time.Duration                  // by the pool's clock
	real      func(now time.Duration) time.Duration // by gobreaker's
	random    func() uint64

	mu      sync.Mutex // guards setback, also inside gobreaker's
	setback setback

	// The mirror of gobreaker's state: stored in OnStateChange, while gobreaker holds its mutex. gobreaker must not be
	// called from there, so whoever made it change looks at turned afterwards and publishes the news.
	mirror  atomic.Uint64 // changes so far << 2 | Circuit
	trialAt atomic.Int64  // an open circuit is due for a trial later than this
	turned  atomic.Bool   // closed or stopped being closed, and nobody has published it yet

	trialOut atomic.Bool // the single trial is taken; spares the others gobreaker's mutex

	row row // of failures; written only when there are any

	_    [64]byte // each success writes from here on; every pick reads what is above
	good window   // the successes since the circuit closed, by the clock of gobreaker
}

// newBreaker is for a node, or a model on one, with that past.
func (p *Pool) newBreaker(past setback) *breaker {
	cfg := p.cfg.Breaker
	b := &breaker{now: p.now, real: p.real, random: p.random, setback: past}
	b.good.bucket = bucketOf(cfg.Window)
	for i, err := range [...]error{errBlamed, nil} {
		b.closed[i] = func() (struct{}, error) { return struct{}{}, b.ifClosed(err) }
	}
	b.gobreaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   1,
		Interval:      cfg.Window,
		BucketPeriod:  b.good.bucket,
		Timeout:       1, // it knows one for all times; trialAt is what counts
		ReadyToTrip:   func(c gobreaker.Counts) bool { return cfg.tripped(c, b.good.count(b.real(b.now()))) },
		OnStateChange: b.onStateChange,
		IsExcluded:    func(err error) bool { return errors.Is(err, errNeutral) },
	})
	b.good.restart(b.real(b.now()))
	return b
}

// tripped decides, after a failure, whether the circuit opens. Of successes the counts hold those only that ended a row; there were
// so many within the window.
func (c BreakerConfig) tripped(counts gobreaker.Counts, successes int64) bool {
	if c.ConsecutiveFailures > 0 && int64(counts.ConsecutiveFailures) >= int64(c.ConsecutiveFailures) {
		return true
	}
	decided := successes + int64(counts.TotalFailures)
	return c.FailurePercent > 0 && decided >= int64(c.MinRequests) &&
		100*float64(counts.TotalFailures) >= c.FailurePercent*float64(decided)
}

func (b *breaker) onStateChange(_ string, from, to gobreaker.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	circuit := Closed
	switch to {
	case gobreaker.StateClosed:
		now := b.now()
		b.setback.recovered(now)
		b.good.restart(b.real(now))
	case gobreaker.StateHalfOpen:
		circuit = HalfOpen
	case gobreaker.StateOpen:
		circuit = Open
		now := b.now()
		b.trialAt.Store(int64(now + b.setback.next(now, b.random())))
	}
	changes := b.mirror.Load() >> 2
	b.mirror.Store((changes+1)<<2 | uint64(circuit))
	if from == gobreaker.StateClosed || to == gobreaker.StateClosed {
		b.turned.Store(true)
	}
}

// past is what a breaker that takes this one's place should know, and whether the circuit opened for the first time in a while.
func (b *breaker) past() (past setback, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.setback, b.setback.step <= 1
}

// setback is how long circuits stay open that never opened.
func (c BreakerConfig) setback() setback { return setback{first: c.OpenTime, most: c.MaxOpenTime} }

// circuit reads the mirror. An open circuit stays open in it until a trial is asked for.
func (b *breaker) circuit() Circuit { return Circuit(b.mirror.Load() & 3) }

// due reports whether a trial could be granted.
func (b *breaker) due(now time.Duration) bool {
	return b.circuit() != Closed && int64(now) > b.trialAt.Load() && !b.trialOut.Load()
}

// tryTrial asks for the single trial of a circuit that is not closed. Nil = not due, or somebody else has it.
func (b *breaker) tryTrial(now time.Duration) func(error) {
	if !b.due(now) || !b.trialOut.CompareAndSwap(false, true) {
		return nil
	}
	// Asking is what turns an open circuit half-open, once its time is over.
	if b.gobreaker.State() != gobreaker.StateHalfOpen {
		b.trialOut.Store(false)
		return nil
	}
	return func(err error) {
		b.execute(func() (struct{}, error) { return struct{}{}, err })
	}
}

// news reports whether the circuit has closed, or stopped being closed, since somebody last asked.
func (b *breaker) news() bool { return b.turned.Load() && b.turned.Swap(false) }

// endTrial reports a trial; o may be Neutral, which leaves the circuit half-open for the next one.
func (b *breaker) endTrial(report func(error), o Outcome) {
	report(o.verdict())
	b.trialOut.Store(false)
}

// record counts the outcome of an attempt that was leased while the mirror said seen and ended now. If the circuit was not closed
// then, or has changed since, the outcome is about another time and counts nowhere.
func (b *breaker) record(seen uint64, o Outcome, now time.Duration) {
	if o == Neutral || Circuit(seen&3) != Closed || b.mirror.Load() != seen {
		return
	}
	if o != Success {
		b.execute(b.closed[0])
		b.row.extend()
		return
	}
	b.good.add(b.real(now))
	if failures, stands := b.row.stands(); stands {
		b.execute(b.closed[1])
		b.row.end(failures)
	}
}

// ifClosed is err, but neutral when the circuit has changed between record's look and gobreaker's: what ends then is no trial.
func (b *breaker) ifClosed(err error) error {
	if b.circuit() != Closed {
		return errNeutral
	}
	return err
}

// execute has gobreaker count a call that has ended. It returns the call's error, or its own when the circuit is open: both are
// known.
func (b *breaker) execute(call func() (struct{}, error)) { _, _ = b.gobreaker.Execute(call) }

// verdict is the outcome in gobreaker's terms.
func (o Outcome) verdict() error {
	switch o {
	case Failure:
		return errBlamed
	case Neutral:
		return errNeutral
	}
	return nil
}
