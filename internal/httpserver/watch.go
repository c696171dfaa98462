package httpserver

import (
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Leaver is told when its client has left.
type Leaver interface {
	// ClientGone is called at most once for each Watch, on a goroutine that it must not hold up. It must not call Unwatch.
	ClientGone()
}

// Watch has l told if the client hangs up before Unwatch. fasthttp does not tell: it looks at the connection only when the
// response is written. The handler calls Unwatch before it returns.
//
// A client that has ended its direction of the connection is taken for one that has left, as nginx takes it: those that
// half-close and still read cannot be told from those that are gone, and hardly exist in HTTP. Requests that a client has sent
// ahead of their turn are no sign of anything. A client that vanishes without a word is not noticed here.
//
// The cost is two short sections under an uncontended lock for a request that is answered within 20 ms; connections that
// wait for longer are looked at by one goroutine of the server, and less and less often. Leaving is noticed within 40 ms at first, and
// within an eighth of the time waited, but never later than 220 ms.
func Watch(ctx *fasthttp.RequestCtx, l Leaver) {
	c := ctx.Conn().(*conn) // accept makes nothing else
	w := &c.watch
	w.mu.Lock()
	w.leaver = l
	w.request++
	enlist := !w.listed
	w.listed = true
	w.mu.Unlock()
	if enlist {
		c.server.watched.add(c)
	}
}

// Unwatch ends what Watch has begun. When it returns, ClientGone is not running and will not be called.
func Unwatch(ctx *fasthttp.RequestCtx) {
	w := &ctx.Conn().(*conn).watch
	w.mu.Lock()
	w.leaver = nil
	w.mu.Unlock()
}

const (
	// lookEvery is the time between two rounds. Most requests are over by then; work that goes on for 40 ms more than
	// anybody needs is no loss.
	lookEvery = 20 * time.Millisecond
	// restMost bounds, in rounds, how long a connection is left alone: ten thousand requests that wait for minutes then cost
	// 50,000 looks a second, 25 ms of a core's time.
	restMost = 10
	// forgetAfter is how many rounds in a row a connection is found without a request before it is taken off the list:
	// often enough to keep a busy one there, so that its requests need not touch what all connections share.
	forgetAfter = 50
)

// watch is a connection's part of watching.
type watch struct {
	mu      sync.Mutex
	leaver  Leaver // nil = nobody waits
	request uint32 // counts calls of Watch
	listed  bool

	// Of the round's goroutine.
	seen   uint32 // the request that the last round found
	age    uint32 // rounds that have found it, or nobody
	rest   uint32 // rounds until the next look
	gone   bool
	fd     syscall.RawConn
	lookAt func(fd uintptr) // made once: a closure for each look would be allocated
}

// watched are the connections that have requests, or had until lately.
type watched struct {
	mu   sync.Mutex
	new  []*conn
	wake chan struct{} // something came onto an empty list

	list []*conn // of run
}

func (w *watched) add(c *conn) {
	w.mu.Lock()
	w.new = append(w.new, c)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run makes rounds while there is anybody to look at, until stop.
func (w *watched) run(stop <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var due <-chan time.Time
		if len(w.list) > 0 {
			due = tick.C
		}
		select {
		case <-stop:
			return
		case <-w.wake:
			w.take()
		case <-due:
			w.round()
		}
	}
}

// take moves new connections onto the list.
func (w *watched) take() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, w.new...)
	clear(w.new)
	w.new = w.new[:0]
}

func (w *watched) round() {
	kept := w.list[:0]
	for _, c := range w.list {
		if c.watch.look(c) {
			kept = append(kept, c)
		}
	}
	clear(w.list[len(kept):])
	w.list = kept
}

// look tells the leaver if it has to, and reports whether the connection stays on the list.
func (w *watch) look(c *conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.leaver == nil:
		return c.state.Load() != int32(fasthttp.StateClosed) && w.idle()
	case w.seen != w.request:
		w.seen, w.age, w.rest = w.request, 0, 0
		return true
	case w.rest > 0:
		w.rest--
		return true
	}
	if w.hungUp(c) {
		l := w.leaver
		w.leaver = nil
		l.ClientGone()
		return true
	}
	// An eighth of the rounds that it has waited for already.
	w.rest = min(w.age/8, restMost-1)
	w.age += w.rest + 1
	return true
}

// idle counts rounds without a request. It is called with the lock held, as is hungUp.
func (w *watch) idle() (stays bool) {
	if w.seen != w.request {
		w.seen, w.age = w.request, 0
	}
	w.age++
	w.listed = w.age < forgetAfter
	return w.listed
}

// hungUp asks the kernel whether the client has ended its direction.
func (w *watch) hungUp(c *conn) bool {
	if w.lookAt == nil {
		raw, err := c.SyscallConn()
		if err != nil {
			return true
		}
		w.fd = raw
		w.lookAt = func(fd uintptr) { w.gone = hasHungUp(fd) }
	}
	w.gone = true // what cannot be looked at any more has been closed
	// The error is that of a closed connection.
	_ = w.fd.Control(w.lookAt)
	return w.gone
}
