package gateway

import (
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// answerControl has every node of the model's pools load or unload it, those included that are down or not ready: loading
// may be what they need. The answer is good if all of them did; else it names those that did not.
//
// It does not end before the nodes have: a client that leaves does not stop a model from loading.
func (x *exchange) answerControl() {
	rt := x.table.find(x.call.Model)
	if rt == nil {
		x.fail(failNoRoute(x.call.Model))
		return
	}
	x.route, x.variant = rt, rt.stable
	pools := rt.pools(true)
	verb, done := "load", "loaded"
	if x.call.Kind == oip.CallRepositoryUnload {
		verb, done = "unload", "unloaded"
	}
	replies := x.askAll(nodesOf(pools), &inquiry{
		method: fasthttp.MethodPost, target: "/v2/repository/models/" + x.call.Model + "/" + verb, body: x.req.Body(), passed: true,
		timeout: controlTimeout,
	})
	rt.loads.Add(1) // even if some failed: others may answer differently now
	for _, up := range pools {
		for _, n := range up.Members() {
			n.Recheck()
		}
	}
	var failed []reply
	for _, r := range replies {
		if !r.good() {
			failed = append(failed, r)
		}
	}
	switch {
	case len(failed) == 0:
		x.reason = reasonOK
		x.resp.Header.SetContentType("application/json")
		x.resp.Header.SetBytesV(headerRequestID, x.id)
	case len(failed) == len(replies):
		x.fail(failSpan(failed, longestRetryAfter(pools)))
	default:
		x.fail(failPartly(x.call.Model, done, failed, len(replies)))
	}
}

// failPartly is for a call that some nodes have carried out and others not. The status is that of those that have not, if
// they agree.
func failPartly(model, done string, failed []reply, all int) failure {
	status := failed[0].status
	words := make([]string, len(failed))
	for i := range failed {
		words[i] = failed[i].node.address + ": " + failed[i].complaint()
		if failed[i].status != status {
			status = 0
		}
	}
	if status == 0 {
		status = fasthttp.StatusBadGateway
	}
	return failure{
		reason: reasonUpstreamError, status: status,
		text: fmt.Sprintf("model '%s' is %s on %d of %d nodes; %s", model, done, all-len(failed), all, strings.Join(words, "; ")),
	}
}
