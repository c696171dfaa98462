package gateway

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/hop"
)

// carrier is the transport to one node: over the hop while the node speaks it, and over HTTP/1.1 otherwise.
//
// Nobody configures which. run asks the node to switch to the hop; until it has agreed, and from the moment on at which a
// hop connection is of no more use until there is the next, requests go over HTTP/1.1, which own nodes speak as well. So no
// request waits for the question to be settled, and a node that comes back as another kind of server is just asked again.
type carrier struct {
	via    dialer
	peer   peer
	cfg    UpstreamConfig
	hopCfg hop.Config
	log    *slog.Logger

	plain    *h1
	bridges  bridges // from what clients send to what plain HTTP servers read
	dialect  dialect
	inflated inflation
	hop      atomic.Pointer[hopLine] // nil = none that takes exchanges
	asked    atomic.Uint64           // upgrades that a node has agreed to
	again    chan struct{}           // the node has been connected to anew: it may be another than the one that declined
}

func newCarrier(via dialer, p peer, cfg UpstreamConfig, answers hop.Budget, log *slog.Logger) *carrier {
	c := &carrier{via: via, peer: p, cfg: cfg, log: log.With("node", via.address), again: make(chan struct{}, 1)}
	c.plain = newH1(via, cfg, answers, func() { signal(c.again) })
	c.plain.vigil = newVigil(p, c.log, &c.plain.conns.heard, func(ctx context.Context) error { return isAlive(ctx, via) }, c.plain.conns.release)
	c.plain.conns.soon.peer = p
	c.hopCfg = hop.DefaultConfig()
	c.hopCfg.MaxBody = int64(cfg.MaxAnswer)
	c.hopCfg.Budget = answers
	// Long before that its exchanges are elsewhere and there is a new connection, if the node lives. If it was only stopped for a
	// while, it finds the old one as it was.
	c.hopCfg.PingTimeout = giveUpAfter
	return c
}

// peer is what the pool knows of the node.
type peer interface {
	Suspect()                        // it gives no sign of life
	Trust()                          // it does again
	Spared() bool                    // another one could take what waits for it
	Members() int                    // of its pool
	Goaway()                         // it says that it is about to leave
	Hear(l balancer.Load, own int64) // without an answer
}

// giveUpAfter is how long a hop connection that is silent is kept.
const giveUpAfter = 10 * time.Second

// roundTrip implements transport.
func (c *carrier) roundTrip(out *outbound, resp *fasthttp.Response) error {
	if line := c.hop.Load(); line != nil {
		carried, err := line.roundTrip(out, resp)
		if carried {
			if err != nil && line.over() {
				c.hop.CompareAndSwap(line, nil) // run will find out, but the next attempt may come before that
			}
			return err
		}
	}
	return c.overHTTP(out, resp)
}

// stats implements transport.
func (c *carrier) stats() transportStats {
	st := c.plain.stats()
	st.dials += c.asked.Load()
	if line := c.hop.Load(); line != nil {
		st.name, st.hops = "hop", 1
		st.streams = int64(line.conn.Stats().Open)
	}
	return st
}

const (
	// reconnectFirst and reconnectMost are the bounds of the time between two attempts to connect. What broke for a moment
	// is back after the first; a node that is down costs a connection attempt a second, as much as its probes.
	reconnectFirst = 20 * time.Millisecond
	reconnectMost  = time.Second
	// steady is how long a connection must have lasted for its end to be news.
	steady = time.Second
	// askAgain is the least time between two questions to a node that declined. Servers that end every connection after
	// one answer are connected to all the time.
	askAgain = time.Second
)

// run implements transport.
func (c *carrier) run(ctx context.Context) error {
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { c.plain.sweep(ctx) })
	parts.Go(func() { c.plain.vigil.run(ctx) })
	for pause := time.Duration(0); ctx.Err() == nil; {
		rest(ctx, pause)
		if line := c.hop.Load(); line != nil && !line.suspected.Load() {
			c.offer(ctx, line) // it has got over its silence, or ended
			continue
		}
		line, err := c.connect(ctx)
		switch {
		case err == nil:
			began := time.Now()
			if !c.replace(line) {
				continue
			}
			running, leave := context.WithCancel(ctx)
			line.leave = leave
			parts.Go(func() { defer leave(); line.run(running) })
			c.offer(ctx, line)
			if pause = longer(pause); time.Since(began) > steady {
				pause = 0
			}
		case declined(err):
			c.awaitAnother(ctx)
			pause = askAgain
		default:
			pause = longer(pause)
		}
	}
	return nil
}

// replace lets exchanges onto a new line, and takes leave of one whose node was silent, unless that has spoken meanwhile.
func (c *carrier) replace(line *hopLine) bool {
	old := c.hop.Load()
	if old != nil && !old.over() && !old.suspected.Load() {
		line.conn.Close()
		return false
	}
	c.hop.Store(line)
	c.peer.Trust()
	if old != nil {
		old.replaced.Store(true)
		old.leave()
	}
	return true
}

// longer is the pause after the given one, a little at random so that the gateways of a fleet do not come back as one.
func longer(pause time.Duration) time.Duration {
	pause = min(max(2*pause, reconnectFirst), reconnectMost)
	return pause - rand.N(pause/4)
}

func declined(err error) bool {
	_, is := errors.AsType[*hop.NotSpokenError](err)
	return is
}

// awaitAnother waits until there is reason to believe that the node is not the one that declined.
func (c *carrier) awaitAnother(ctx context.Context) {
	select {
	case <-c.again: // connections that are as old as the question
	default:
	}
	select {
	case <-ctx.Done():
	case <-c.again:
	}
}

// connect makes a hop connection.
func (c *carrier) connect(ctx context.Context) (*hopLine, error) {
	began := time.Now()
	limit := began.Add(c.cfg.ConnectTimeout)
	nc, err := c.via.dial(ctx, limit)
	if err != nil {
		return nil, err
	}
	c.plain.conns.soon.made(time.Since(began))
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if err := hop.Upgrade(nc, c.via.address, limit); err != nil {
		nc.Close()
		return nil, err
	}
	cfg := c.hopCfg
	cfg.Loads = int(time.Second / balancer.NewsPause(c.peer.Members()))
	conn, err := hop.Open(nc, cfg)
	if err != nil {
		return nil, err
	}
	c.asked.Add(1)
	return newHopLine(conn, c.peer, c.hopCfg.Budget, c.log), nil
}

// offer waits for as long as the line takes exchanges. It stays where they look for it while its node is silent.
func (c *carrier) offer(ctx context.Context, line *hopLine) {
	for {
		select {
		case <-ctx.Done():
		case <-line.conn.Retired():
		case <-line.doubts:
			if line.suspected.Load() {
				return
			}
			continue
		}
		c.hop.CompareAndSwap(line, nil)
		return
	}
}
