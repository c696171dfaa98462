package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// vigil is kept over what waits for a node by a protocol in which we cannot ping: HTTP/1.1 and gRPC. (The hop sees to it itself.)
//
// While exchanges wait and nothing is heard of the node, it is asked whether it lives. A node that works on something for long
// answers that. How long it may take is learned, because there are servers that answer nothing while they compute: four times as
// long as it took of late, and a second as long as that is not known. A node that keeps silent for longer is suspected, and what
// waits for it comes back to go elsewhere, if there is an elsewhere.
//
// Time is counted in looks, not by the clock: when this process, or the whole machine, stood still for a second, that is one look.
type vigil struct {
	peer    peer
	log     *slog.Logger
	ask     func(ctx context.Context) error // any answer is a sign of life, be it a refusal
	release func()                          // makes those who wait come back, but for the patient

	open  atomic.Int64   // exchanges that wait
	heard *atomic.Uint64 // reads from any connection to the node
	awake atomic.Bool    // looks are being made
	wake  chan struct{}  // holds one token: somebody waits

	suspect atomic.Bool
	turned  atomic.Bool // suspected, and what waits goes elsewhere
	accused atomic.Bool // the node has been blamed for that

	// Of the looking goroutine.
	last     uint64 // heard at the last look
	silent   int    // looks in a row at which nothing had been heard since the one before
	unasked  int    // looks since the last question
	pending  int    // looks since the question that is not answered; 0 = there is none
	pauses   int    // looks between two questions to a node that answers them and nothing else
	slowest  time.Duration
	answered chan time.Duration
	drop     context.CancelFunc // the question
}

const (
	// lookEvery is five times the time slice of a busy Linux host.
	lookEvery = 50 * time.Millisecond
	// doubtAfter is how many silent looks lead to a question: most answers are there by then, and questions are rare.
	doubtAfter = 2
	// askEvery is how many looks lie between two questions to a node that is heard: so what it takes to answer is known when
	// that matters. It is as often as its probes.
	askEvery = int(time.Second / lookEvery)
	// patienceLeast is what the looks need to tell a silent node from a busy processor, patienceFirst what a probe is given
	// by default, and patienceMost what a stop teaches that we took for slowness, or the reverse.
	patienceLeast = 200 * time.Millisecond
	patienceFirst = time.Second
	patienceMost  = 5 * time.Second
	// patienceTimes is how much slower than lately an answer may be.
	patienceTimes = 4
)

func newVigil(p peer, log *slog.Logger, heard *atomic.Uint64, ask func(context.Context) error, release func()) *vigil {
	return &vigil{peer: p, log: log, heard: heard, ask: ask, release: release, wake: make(chan struct{}, 1), answered: make(chan time.Duration, 1)}
}

// enter begins the wait of an exchange; false = the node is silent, and the exchange, which has not been sent, is not patient.
func (v *vigil) enter(patient bool) bool {
	if v.turned.Load() && !patient {
		return false
	}
	v.open.Add(1)
	if !v.awake.Load() {
		signal(v.wake)
	}
	return true
}

// leave ends it.
func (v *vigil) leave() { v.open.Add(-1) }

// errSilent is why nothing is sent to a node.
var errSilent = errors.New("nothing is heard of it although requests wait")

// errMute is an exchange that has come back because its node gives no sign of life. One of them blames the node.
func (v *vigil) errMute(err error, unsent bool) error {
	return &transportError{phase: mute, err: err, unsent: unsent, blameless: v.accused.Swap(true)}
}

// run looks, for as long as somebody waits, until ctx ends.
func (v *vigil) run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		tick.Stop()
		v.awake.Store(false)
		if v.open.Load() == 0 {
			select {
			case <-ctx.Done():
				return
			case <-v.wake:
			}
		}
		v.awake.Store(true)
		v.last, v.silent = v.heard.Load(), 0
		tick.Reset(lookEvery)
		for idle := 0; idle < askEvery; idle++ {
			select {
			case <-ctx.Done():
				return
			case took := <-v.answered:
				v.learn(took)
				continue
			case <-tick.C:
			}
			if v.look() {
				v.unasked, v.pending = 0, 1
				question, drop := context.WithTimeout(ctx, patienceMost)
				v.drop = drop
				asking.Go(func() { defer drop(); v.question(question) })
			}
			if v.open.Load() > 0 || v.suspect.Load() || v.pending > 0 {
				idle = 0
			}
		}
	}
}

// look judges the silence, and reports whether the node is to be asked.
func (v *vigil) look() (question bool) {
	v.unasked++
	if heard := v.heard.Load(); heard != v.last {
		v.last, v.pauses = heard, 0
		v.trust()
	} else if v.open.Load() > 0 {
		v.silent++
	}
	if v.pending == 0 {
		return v.unasked >= askEvery && v.open.Load() > 0 || v.silent >= doubtAfter && v.unasked >= v.pauses
	}
	v.pending++
	if min(v.silent, v.pending-1) >= int(v.patience()/lookEvery) {
		v.doubt()
	}
	return false
}

// patience is how long the node may take to give a sign of life once it has been asked.
func (v *vigil) patience() time.Duration {
	if v.slowest == 0 {
		return patienceFirst
	}
	return min(max(patienceTimes*v.slowest, patienceLeast), patienceMost)
}

// question asks the node whether it lives.
func (v *vigil) question(ctx context.Context) {
	began := time.Now()
	took := time.Duration(-1) // it did not answer
	if v.ask(ctx) == nil {
		took = time.Since(began)
	}
	v.answered <- took // nobody else asks before this is taken
}

// learn takes in what became of a question.
func (v *vigil) learn(took time.Duration) {
	v.pending = 0
	if took < 0 {
		return
	}
	v.trust()
	v.pauses = min(max(2*v.pauses, doubtAfter), askEvery)
	v.slowest = max(took, v.slowest*3/4)
}

// doubt takes the node for dead, and gives back what waits for it.
func (v *vigil) doubt() {
	if !v.suspect.Swap(true) {
		v.log.Warn("node gives no sign of life", "silent", time.Duration(v.silent)*lookEvery, "waiting", v.open.Load())
		v.peer.Suspect()
	}
	spared := v.peer.Spared()
	v.turned.Store(spared)
	if spared {
		v.release()
	}
}

// trust takes in a sign of life.
func (v *vigil) trust() {
	v.silent = 0
	if v.suspect.Swap(false) {
		v.turned.Store(false)
		v.accused.Store(false)
		v.drop() // it may have been lost
		v.log.Info("node speaks again")
		v.peer.Trust()
	}
}

// listening is a connection whose reads are signs of life.
type listening struct {
	net.Conn
	heard *atomic.Uint64
	over  atomic.Bool // the node has ended it, or we have because of the node
}

// Read reads from the node.
func (l *listening) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 {
		l.heard.Add(1)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		l.over.Store(true)
	}
	return n, err
}

// busyConns are the connections that carry an exchange. Guarded by conns.mu.
type busyConns []*conn

func (b *busyConns) add(c *conn, patient bool) {
	c.mute.Store(false)
	c.patient, c.place = patient, len(*b)
	*b = append(*b, c)
}

func (b *busyConns) remove(c *conn) {
	last := len(*b) - 1
	moved := (*b)[last]
	(*b)[c.place], moved.place = moved, c.place
	(*b)[last] = nil
	*b = (*b)[:last]
}
