package gateway

import (
	"github.com/valyala/fasthttp"

	"ganglion/internal/httpserver"
)

// askAny asks the nodes of the stable pool, one after another, for what any node that has the model can tell: its metadata,
// its configuration, whether it is ready. A node that has not, or not yet, is no reason to say no as long as another one
// has; if none has, the client gets what the first one said.
func (x *exchange) askAny() {
	rt := x.table.find(x.call.Model)
	if rt == nil {
		x.fail(failNoRoute(x.call.Model))
		return
	}
	x.route, x.variant = rt, rt.stable
	if !x.setDeadline() {
		return
	}
	x.prepare()
	if x.http != nil {
		httpserver.Watch(x.http, x)
		defer httpserver.Unwatch(x.http)
	}
	last := verdict{reason: reasonNoNode}
	for {
		lease, err := x.lease(aim{}, &x.met)
		if err != nil {
			break
		}
		var answered bool
		last, answered = x.attempt(&lease, aim{})
		switch {
		case answered && x.resp.StatusCode() < fasthttp.StatusBadRequest:
			x.reason = reasonOK
			x.cleanAnswer()
			return
		case answered && x.kept == nil:
			x.kept = fasthttp.AcquireResponse()
			x.resp.CopyTo(x.kept)
		}
		if x.late() || last.reason == reasonClientGone || last.reason == reasonDeadline {
			break
		}
	}
	x.giveUp(last.reason)
}
