package gateway

import (
	"bufio"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"ganglion/internal/hop"
)

// conn is one connection to a node. It belongs to the exchange that acquired it.
type conn struct {
	net.Conn
	in  *bufio.Reader
	out []byte // the request being sent; reused

	heard *atomic.Uint64 // reads of all connections to the node

	answers  hop.Budget
	held     *held // of the exchange
	received int   // bytes since the exchange began that count against answers

	mute    atomic.Bool // its exchange has to come back: the node gives no sign of life
	patient bool        // but not this one
	place   int         // in conns.busy

	idleness // watches for what comes between two exchanges

	pieces [2][]byte // of a request too large to be copied together
	vector net.Buffers

	used      bool // carried an exchange before
	usable    bool // may carry another one
	idleSince time.Time
}

// holdStep is how much memory is set aside at a time for an answer that has outgrown the buffers that are kept: few steps for
// a large answer, little beyond what has come of it.
const holdStep = 256 << 10

// Read reads from the node, and stops when there is no memory for more.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Add(1)
	}
	for c.received += n; c.received > keepScratch; {
		if !c.held.grow(c.answers, holdStep) {
			return 0, errAnswerMemory
		}
		c.received -= holdStep
	}
	return n, err
}

// connReader is the size of a connection's read buffer, and so the limit of an answer's headers: node headers fit a
// kilobyte, gRPC gateways and proxies in front of nodes add some.
const connReader = 8 << 10

// busyWait is how long an attempt waits for a connection when all are in use. Much longer than one takes to come free
// under load that the node can carry, much shorter than the time in which another node could have answered.
const busyWait = 10 * time.Millisecond

// conns are the connections to one node: those in use are counted, those idle are kept, the youngest on top.
//
// fasthttp's HostClient is not used because it cannot be asked for a fresh connection when a kept one turns out to be
// stale, and because the goroutine that closes its idle connections has no owner.
type conns struct {
	via     dialer
	cfg     UpstreamConfig
	answers hop.Budget
	onDial  func()
	slots   chan struct{} // one element for each connection in use
	dialed  atomic.Uint64
	heard   atomic.Uint64
	soon    dialPatience

	mu   sync.Mutex
	idle []*conn // oldest first
	busy busyConns
	shut bool
}

func newConns(via dialer, cfg UpstreamConfig, answers hop.Budget, onDial func()) *conns {
	return &conns{
		via: via, cfg: cfg, answers: answers, onDial: onDial, slots: make(chan struct{}, cfg.MaxConnections),
		soon: dialPatience{most: cfg.ConnectTimeout},
	}
}

// longAgo is a deadline that has passed: setting it makes whoever reads or writes the connection return at once.
var longAgo = time.Unix(1, 0)

// acquire returns a connection for an attempt that begins now: an idle one, or else a new one. The caller gives it back by
// giveBack, exactly once.
func (p *conns) acquire(out *outbound) (*conn, error) {
	if !p.takeSlot() {
		return nil, errBusy
	}
	if c := p.pop(out.start, out.patient); c != nil {
		return c, nil
	}
	c, err := p.dial(out, out.start)
	if err != nil {
		p.surrender()
	}
	return c, err
}

func (p *conns) takeSlot() bool {
	select {
	case p.slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(busyWait)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

// pop takes the youngest idle connection. When that one is too old, all are.
func (p *conns) pop(now time.Time, patient bool) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle) - 1
	if n < 0 || now.Sub(p.idle[n].idleSince) > p.cfg.IdleTimeout {
		return nil
	}
	c := p.idle[n]
	p.idle[n] = nil
	p.idle = p.idle[:n]
	p.busy.add(c, patient)
	return c
}

// dial makes a connection; the caller holds the slot for it.
func (p *conns) dial(out *outbound, now time.Time) (*conn, error) {
	deadline := out.deadline
	wait, short := p.soon.forNext(out.patient)
	if soon := now.Add(wait); soon.Before(deadline) {
		deadline = soon
	} else {
		short = false
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if !out.boardCall(cancel) {
		return nil, errLeft
	}
	raw, err := p.via.dial(ctx, deadline)
	if left := out.alight(); left && err != nil {
		return nil, errLeft
	}
	if err != nil {
		short = short && !time.Now().Before(deadline)
		if short {
			p.soon.ranOut(wait)
		}
		return nil, &transportError{phase: connecting, err: err, unsent: true, blameless: short}
	}
	p.soon.made(time.Since(now))
	p.dialed.Add(1)
	p.onDial()
	c := &conn{Conn: raw, answers: p.answers, heard: &p.heard}
	c.in = bufio.NewReaderSize(c, connReader)
	c.watch(raw)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy.add(c, out.patient)
	return c, nil
}

// giveBack ends the use of a connection: it is kept for the next exchange if it may carry one, and closed otherwise. A
// nil c stands for a connection that could not be made.
func (p *conns) giveBack(c *conn, now time.Time) {
	if c != nil && !p.keep(c, now) {
		c.Close()
	}
	p.surrender()
}

// drop closes a connection that carried an exchange, whose place another one takes.
func (p *conns) drop(c *conn) {
	p.mu.Lock()
	p.busy.remove(c)
	p.mu.Unlock()
	c.Close()
}

// release makes the exchanges come back that wait for the node, but for the patient.
func (p *conns) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.busy {
		if !c.patient {
			c.mute.Store(true)
			c.SetDeadline(longAgo)
		}
	}
}

// keep makes a connection idle, unless it is of no use or no more are kept.
func (p *conns) keep(c *conn, now time.Time) (keep bool) {
	c.used = true
	c.idleSince = now
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy.remove(c)
	if keep = c.usable && !p.shut; keep {
		p.idle = append(p.idle, c)
	}
	return keep
}

// surrender frees a slot.
func (p *conns) surrender() { <-p.slots }

// closeIdle closes what has been idle since before the given moment.
func (p *conns) closeIdle(before time.Time) {
	p.mu.Lock()
	old := 0
	for old < len(p.idle) && p.idle[old].idleSince.Before(before) {
		old++
	}
	expired := append([]*conn(nil), p.idle[:old]...)
	p.idle = append(p.idle[:0], p.idle[old:]...)
	clear(p.idle[len(p.idle):cap(p.idle)])
	p.mu.Unlock()
	for _, c := range expired {
		c.Close()
	}
}

// close closes every idle connection, and lets none become idle again.
func (p *conns) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.shut = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

func (p *conns) counts() (busy, idle int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(len(p.slots)), int64(len(p.idle))
}
