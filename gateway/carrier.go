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

	"ganglion/internal/hop"
)

// carrier is the transport to one node: over the hop while the node speaks it, and over HTTP/1.1 otherwise.
//
// Nobody configures which. run asks the node to switch to the hop; until it has agreed, and from the moment on at which a
// hop connection is of no more use until there is the next, requests go over HTTP/1.1, which own nodes speak as well. So no
// request waits for the question to be settled, and a node that comes back as another kind of server is just asked again.
type carrier struct {
	via    dialer
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

func newCarrier(via dialer, cfg UpstreamConfig, answers hop.Budget, log *slog.Logger) *carrier {
	c := &carrier{via: via, cfg: cfg, log: log.With("node", via.address), again: make(chan struct{}, 1)}
	c.plain = newH1(via, cfg, answers, func() { signal(c.again) })
	c.hopCfg = hop.DefaultConfig()
	c.hopCfg.MaxBody = int64(cfg.MaxAnswer)
	c.hopCfg.Budget = answers
	return c
}

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
	for pause := time.Duration(0); ctx.Err() == nil; {
		rest(ctx, pause)
		line, err := c.connect(ctx)
		switch {
		case err == nil:
			began := time.Now()
			parts.Go(func() { line.run(ctx) })
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
	limit := time.Now().Add(c.cfg.ConnectTimeout)
	nc, err := c.via.dial(ctx, limit)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if err := hop.Upgrade(nc, c.via.address, limit); err != nil {
		nc.Close()
		return nil, err
	}
	conn, err := hop.Open(nc, c.hopCfg)
	if err != nil {
		return nil, err
	}
	c.asked.Add(1)
	return &hopLine{conn: conn, answers: c.hopCfg.Budget, log: c.log}, nil
}

// offer lets exchanges onto the line for as long as it takes them.
func (c *carrier) offer(ctx context.Context, line *hopLine) {
	c.hop.Store(line)
	select {
	case <-ctx.Done():
	case <-line.conn.Retired():
	}
	c.hop.CompareAndSwap(line, nil)
}
