package gateway

import (
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/cache"
	"ganglion/gateway/rollout"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

// maxNodes bounds the nodes an exchange remembers by name: retries are few, and the log line needs no more.
const maxNodes = 8

// keepScratch bounds each buffer that an exchange keeps for the next one: headers of a few kilobytes and answers of
// common size fit; one large tensor does not make a buffer stay large.
const keepScratch = 64 << 10

// exchange is a client's request from its first byte to the last byte of its answer. It is reused, and holds its
// buffers for that; it belongs to the goroutine of its connection or call.
//
// It knows nothing of the server that it came in by: whoever has a request makes an exchange of it with begin, has it
// answered by serve, and ends it with finish once the answer has been written.
type exchange struct {
	gateway *Gateway
	req     *fasthttp.Request
	resp    *fasthttp.Response
	http    *fasthttp.RequestCtx // that it came by; nil = not by our HTTP server
	secure  bool                 // the client's connection is encrypted
	rpc     *rpcCall             // what is known of it as a gRPC call; nil = it came over HTTP
	table   *table

	// What was asked. call points into the request's own memory.
	start    time.Time
	limit    time.Time // the client's own deadline; zero = none
	deadline time.Time // of all that is done for it; see deadline.go
	id       []byte
	client   []byte // address
	call     oip.Call
	query    []byte

	// Where it goes.
	route   *route
	variant *variant
	out     *outbound        // reused
	waiter  *balancer.Waiter // its place in the pool's queue; reused

	// How it went.
	reason   Reason
	use      cacheUse
	attempts int
	tried    [maxNodes]*node
	met      balancer.Tried
	sent     int           // attempts that nodes have had work of, but for the last
	deaths   int           // nodes that hung up while they had the request
	declines int           // attempts that nodes have declined, which count as none
	hedged   hedged        // what became of the hedge
	comeBack time.Duration // the shortest time that a node wanted to be left alone for; 0 = none said
	upstream time.Duration // spent on attempts
	queued   time.Duration // spent waiting for room at a node
	rank     uint8         // its priority among those who wait; 0 = it never had to
	unleased error         // why there was no node for the last attempt
	cause    error         // of the last failed attempt; for the log, never for the client
	kept     *fasthttp.Response
	status   int
	bytesIn  int
	copied   *rollout.Copy // for the shadow; nil = none

	hedge *hedge // reused; nil = never needed one

	key     cache.Key
	target  []byte // out.target
	lines   []byte // of the shadow's copy
	asked   []byte // the question without its id
	scratch []byte
	line    []byte // of the access log
}

// exchanges holds exchanges that are not in use.
type exchanges struct{ spare sync.Pool }

func (p *exchanges) acquire() *exchange {
	if x, ok := p.spare.Get().(*exchange); ok {
		return x
	}
	return &exchange{out: new(outbound), waiter: new(balancer.Waiter)}
}

func (p *exchanges) release(x *exchange) {
	if x.kept != nil {
		fasthttp.ReleaseResponse(x.kept)
	}
	x.out.reset()
	x.waiter.Reset()
	*x = exchange{
		out: x.out, hedge: x.hedge, waiter: x.waiter, id: x.id[:0], client: x.client[:0],
		target: capped(x.target), lines: capped(x.lines),
		asked: capped(x.asked), scratch: capped(x.scratch), line: capped(x.line),
	}
	p.spare.Put(x)
}

// capped empties b, or forgets it if it has grown large.
func capped(b []byte) []byte {
	if cap(b) > keepScratch {
		return nil
	}
	return b[:0]
}

// exchangeKey is where a RequestCtx carries its exchange.
type exchangeKey struct{}

// beginHTTP makes the exchange for a request of the HTTP server. It ends by itself, in Close, once the answer has been
// written.
func (g *Gateway) beginHTTP(ctx *fasthttp.RequestCtx) *exchange {
	x := g.begin(&ctx.Request, &ctx.Response, ctx.RemoteAddr(), httpserver.Encrypted(ctx))
	x.http = ctx
	// fasthttp closes user values when it is done with the request: after the answer has left, and before the
	// request's memory is used again. That is the moment for everything that a client should not wait for.
	ctx.SetUserValue(exchangeKey{}, x)
	return x
}

// Close implements io.Closer for fasthttp, which calls it after the answer was written, or could not be. The request's
// headers and the answer may be read until it returns; the request's body may not, since the server has taken its memory
// back by then.
func (x *exchange) Close() error {
	x.finish()
	return nil
}

// begin makes the exchange for a request that is complete. Whoever begins an exchange finishes it. req and resp, which is
// empty, are the exchange's until then, and are not touched afterwards.
func (g *Gateway) begin(req *fasthttp.Request, resp *fasthttp.Response, client net.Addr, secure bool) *exchange {
	x := g.exchanges.acquire()
	x.gateway, x.req, x.resp, x.secure, x.table = g, req, resp, secure, g.table.Load()
	x.start = time.Now()
	x.id = appendRequestID(x.id, peek(&req.Header, headerRequestID))
	x.client = appendClient(x.client, client)
	g.inFlight.Add(1)
	return x
}

// ClientGone breaks the exchange off: nobody waits for its answer any more. Any goroutine may call it, but none after finish.
func (x *exchange) ClientGone() {
	x.out.breakOff()
	x.waiter.Leave()
}

// finish keeps the answer in the cache, gives the shadow its copy, and records the exchange. The answer has been written,
// or could not be.
func (x *exchange) finish() {
	g := x.gateway
	defer func() {
		// Out here no server would recover: a bug in what follows an answer must not end the process.
		if r := recover(); r != nil {
			g.panics.Add(1)
			g.log.Error("BUG: panic after an answer", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	g.inFlight.Add(-1)
	if x.status == 0 { // a refused request has it from the start: the server's answer is gone by now
		x.status = x.resp.StatusCode()
	}
	x.remember()
	if x.copied != nil {
		x.route.mirror.Offer(x.copied)
	}
	x.record(time.Since(x.start))
	g.exchanges.release(x)
}

// mirror makes the shadow's copy of a request that a node has answered well, to be sent once the client has that
// answer. What the cache answered says nothing new to a shadow, and what was refused says nothing about its model.
func (x *exchange) mirror() {
	if x.route.mirror == nil || x.reason != reasonOK || !answersModel(x.call.Kind) || !x.route.mirror.Sample() {
		return
	}
	sh := x.route.shadow
	x.scratch = appendTarget(x.scratch[:0], x.call, or(sh.version, x.call.Version), x.query)
	x.lines = appendLines(x.lines[:0], x.out.headers)
	x.copied = x.route.mirror.Copy(x.out.method, x.scratch, x.lines, x.out.body)
}

// record counts the exchange and writes its line.
func (x *exchange) record(took time.Duration) {
	g := x.gateway
	m := g.metrics.noRoute
	if x.variant != nil {
		m = x.variant.metrics
	}
	if x.rpc != nil {
		m.calls.add(x.status, x.reason)
	} else {
		m.outcomes.add(x.status, x.reason)
	}
	m.duration.Observe(took.Seconds())
	if g.accessLog != nil {
		x.line = appendAccessLine(x.line[:0], x, took)
		g.accessLog.write(x.line)
	}
}

// text makes b a string without copying. The string lives as long as b stays unchanged: within the exchange, whose
// request fasthttp does not touch before Close has returned.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
