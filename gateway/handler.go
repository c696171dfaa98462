package gateway

import (
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"

	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

// handle answers one request of the HTTP server.
func (g *Gateway) handle(ctx *fasthttp.RequestCtx) {
	x := g.beginHTTP(ctx)
	path, query, _ := bytes.Cut(ctx.Request.Header.RequestURI(), []byte{'?'})
	x.query = query
	call, ok := x.gateway.parsePath(text(path))
	if !ok {
		x.bytesIn = len(x.req.Body())
		x.fail(failNotFound())
		return
	}
	x.call = call
	x.serve()
}

// parsePath reads the path of a request over HTTP, which begins with server.path_prefix.
func (g *Gateway) parsePath(path string) (call oip.Call, ok bool) {
	if path, ok = oip.CutPathPrefix(path, g.cfg.Server.PathPrefix); !ok {
		return oip.Call{}, false
	}
	return oip.ParsePath(path)
}

// serve has the exchange answered, whose call is known.
func (x *exchange) serve() {
	call := x.call
	x.bytesIn = len(x.req.Body())
	if !call.Allows(text(x.req.Header.Method())) {
		x.fail(failBadMethod(call))
		return
	}
	switch call.Kind {
	case oip.CallServerMetadata:
		x.answerMetadata()
	case oip.CallServerLive:
		x.answerJSON(`{"live":true}`)
	case oip.CallServerReady:
		x.answerReady()
	case oip.CallModelInfer, oip.CallV1Predict:
		x.proxy()
	default:
		x.span()
	}
}

// refused records a request that the server turned away before handle could see it.
func (g *Gateway) refused(ctx *fasthttp.RequestCtx, status int, reason string) {
	x := g.beginHTTP(ctx)
	ctx.Response.Header.SetBytesV(headerRequestID, x.id)
	x.status = status
	x.cause = errors.New(reason)
	switch status {
	case fasthttp.StatusRequestEntityTooLarge:
		x.reason = reasonTooLarge
	case fasthttp.StatusServiceUnavailable:
		x.reason = reasonOverload
	default:
		x.reason = reasonBadRequest
	}
}

// proxy lets a node, or the cache, answer.
func (x *exchange) proxy() {
	rt := x.table.find(x.call.Model)
	if rt == nil {
		x.fail(failNoRoute(x.call.Model))
		return
	}
	x.route = rt
	x.variant = rt.choose(x)
	if x.answerFromCache() {
		return
	}
	if !x.setDeadline() {
		return
	}
	x.prepare()
	x.ask()
	x.mirror()
}

// ask forwards the exchange, unless its client leaves.
func (x *exchange) ask() {
	if x.http != nil {
		httpserver.Watch(x.http, x)
		defer httpserver.Unwatch(x.http)
	}
	x.forward()
}

func (x *exchange) answerMetadata() {
	x.scratch = oip.AppendServerMetadata(x.scratch[:0], &x.gateway.metadata)
	x.answerJSON(text(x.scratch))
}

func (x *exchange) answerReady() {
	if err := x.gateway.Ready(); err != nil {
		x.fail(failNotReady(err.Error()))
		return
	}
	x.answerJSON(`{"ready":true}`)
}

// answerJSON is an answer of the gateway's own.
func (x *exchange) answerJSON(body string) {
	x.reason = reasonOK
	x.resp.Header.SetContentType("application/json")
	x.resp.Header.SetBytesV(headerRequestID, x.id)
	x.resp.SetBodyString(body)
}
