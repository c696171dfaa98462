package gateway

import (
	"bytes"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
)

// A large body is not received, let alone held in memory, when its head says already that nobody will take it: there is no
// route for its model, or no node, or those who wait for one leave it no chance. Of its priority and its time only what the
// head says counts then: parameters are in the body.

// unwanted judges a request by its head.
func (g *Gateway) unwanted(h *fasthttp.RequestHeader) bool {
	path, _, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	call, ok := g.parsePath(text(path))
	if !ok || !call.Allows(text(h.Method())) || !answersModel(call.Kind) {
		return false
	}
	rt := g.table.Load().find(call.Model)
	if rt == nil {
		return true
	}
	if rt.ttl > 0 {
		return false // the answer may be in the cache
	}
	for _, v := range []*variant{rt.stable, rt.canary} {
		var w balancer.Waiter
		if v != nil && !v.modelOf(call.Model).Hopeless(rt.place(&w, h)) {
			return false
		}
	}
	return true
}

// place is where a request with that head would stand among those who wait.
func (rt *route) place(w *balancer.Waiter, h *fasthttp.RequestHeader) *balancer.Waiter {
	named, _ := headerPriorityOf(h)
	w.Priority = rt.priority.of(named)
	w.Deadline = time.Now().Add(rt.timeout)
	if d, err := headerPatience(h); err == nil && d > 0 && d < rt.timeout {
		w.Deadline = time.Now().Add(d)
	}
	return w
}

// turnAway answers a request that is unwanted.
func (g *Gateway) turnAway(ctx *fasthttp.RequestCtx) {
	x := g.beginHTTP(ctx)
	path, query, _ := bytes.Cut(ctx.Request.Header.RequestURI(), []byte{'?'})
	x.query = query
	x.call, _ = g.parsePath(text(path))
	if x.route = x.table.find(x.call.Model); x.route == nil {
		x.fail(failNoRoute(x.call.Model))
		return
	}
	x.variant = x.route.choose(x)
	x.unleased = x.model().Refuse(x.route.place(x.waiter, &x.req.Header))
	if !errors.Is(x.unleased, balancer.ErrNoNode) {
		x.rank = x.waiter.Priority
	}
	x.failUnleased()
}
