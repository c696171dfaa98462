package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// Some calls are not for one node: what a repository holds, what has been counted, and the loading of models. The gateway
// asks every node that such a call is about, all at once and beside the balancer: these questions take nobody's place,
// and say nothing about who should be picked.

// extensions are those of the protocol's that the gateway offers: what it answers itself, and what it carries for nodes that
// have it, as our own do.
func extensions() []string {
	return []string{
		"classification", "model_repository", "schedule_policy", "model_configuration", "binary_tensor_data", "parameters", "statistics",
	}
}

// span has a call answered that no single node can answer for all.
func (x *exchange) span() {
	switch x.call.Kind {
	case oip.CallModelMetadata, oip.CallModelReady, oip.CallModelConfig, oip.CallV1Model:
		x.askAny()
	case oip.CallModelStatistics, oip.CallServerStatistics:
		x.answerStatistics()
	case oip.CallRepositoryIndex:
		x.answerIndex()
	case oip.CallModelList, oip.CallV1List:
		x.answerModelList()
	case oip.CallRepositoryLoad, oip.CallRepositoryUnload:
		x.answerControl()
	default:
		x.fail(failUnsupported(x.call.Kind))
	}
}

// failUnsupported is for calls that are known and not offered.
func failUnsupported(k oip.Kind) failure {
	return failure{reason: reasonNotFound, status: fasthttp.StatusNotImplemented, text: oip.RefuseCall(k).Error()}
}

const (
	// spanTimeout bounds questions that nodes answer from memory. A node that takes longer than this hangs.
	spanTimeout = 5 * time.Second
	// controlTimeout bounds loading and unloading. TensorRT is known to build an engine for minutes.
	controlTimeout = 10 * time.Minute
)

// inquiry is what every node of a call is asked.
type inquiry struct {
	method  string
	target  string
	body    []byte
	passed  bool // body is the client's, and so are the headers that describe it
	timeout time.Duration
}

// reply is what one node had to say to a question.
type reply struct {
	node   *node
	status int // of HTTP; 0 = there is no answer
	body   []byte
	err    error // why there is none
}

// good reports whether the node answered as asked.
func (r *reply) good() bool { return r.status == fasthttp.StatusOK }

// lacksCall reports whether a status says that a node does not have such a call at all.
func lacksCall(status int) bool {
	return status == fasthttp.StatusNotFound || status == fasthttp.StatusMethodNotAllowed || status == fasthttp.StatusNotImplemented
}

// complaint is what the node said against it, in its own words where it had any.
func (r *reply) complaint() string {
	if r.err != nil {
		return noAnswer
	}
	var e struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(r.body, &e) == nil && e.Error != "" {
		return e.Error
	}
	return fmt.Sprintf("status %d", r.status)
}

// noAnswer is all that a client is told of what stands between the gateway and a node. The access log says more.
const noAnswer = "no answer"

// askAll puts the question to all the nodes and waits for them. The replies are in the order of the nodes. It writes down in
// the exchange who was asked.
func (x *exchange) askAll(nodes []*node, q *inquiry) []reply {
	headers := x.spanHeaders(q)
	deadline := x.start.Add(q.timeout)
	if !x.limit.IsZero() && x.limit.Before(deadline) {
		deadline = x.limit
	}
	replies := make([]reply, len(nodes))
	began := time.Now()
	var asked sync.WaitGroup
	for i, n := range nodes {
		asked.Go(func() { replies[i] = x.gateway.askNode(n, q, headers, deadline) })
	}
	asked.Wait()
	x.upstream += time.Since(began)
	for i := range replies {
		if x.attempts < maxNodes {
			x.tried[x.attempts] = replies[i].node
		}
		x.attempts++
		if err := replies[i].err; err != nil {
			x.cause = fmt.Errorf("node %s: %w", replies[i].node.address, err)
		}
	}
	return replies
}

// spanHeaders are those that every node gets. The gateway reads the answers itself, and so wants them plain.
func (x *exchange) spanHeaders(q *inquiry) []hop.Header {
	headers := slices.DeleteFunc(x.appendHeaders(nil), func(h hop.Header) bool {
		switch string(h.Name) {
		case fasthttp.HeaderAcceptEncoding:
			return true
		case fasthttp.HeaderContentType, fasthttp.HeaderContentEncoding:
			return !q.passed
		}
		return false
	})
	if q.body != nil && !q.passed {
		headers = append(headers, hop.Header{Name: nameContentType, Value: typeJSON})
	}
	return headers
}

// askNode puts the question to one node. A panic in here has no server above it that recovers.
func (g *Gateway) askNode(n *node, q *inquiry, headers []hop.Header, deadline time.Time) (r reply) {
	r.node = n
	defer func() {
		if p := recover(); p != nil {
			g.panics.Add(1)
			g.log.Error("BUG: panic while asking a node", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			r = reply{node: n, err: errPanicked}
		}
	}()
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	out := &outbound{
		method: []byte(q.method), target: []byte(q.target), body: q.body, start: time.Now(), deadline: deadline,
		headers: slices.Clone(headers), // reset clears them
	}
	defer out.reset()
	if r.err = n.transport.roundTrip(out, resp); r.err != nil {
		return r
	}
	r.status = resp.StatusCode()
	r.body = slices.Clone(resp.Body())
	return r
}

var errPanicked = errors.New("the gateway failed while asking")

// nodesOf are the nodes of some pools, each address once, in the order of the configuration.
func nodesOf(pools []*upstream) []*node {
	var nodes []*node
	seen := map[string]bool{}
	for _, up := range pools {
		for _, n := range up.nodes() {
			if !seen[n.address] {
				seen[n.address] = true
				nodes = append(nodes, n)
			}
		}
	}
	return nodes
}

// reachable are those of the nodes that no probe has found down. Who only wants to know something does not wait for the
// others.
func reachable(pools []*upstream) []*node {
	down := map[string]bool{}
	for _, up := range pools {
		for _, status := range up.Nodes() {
			down[status.Address] = status.State == balancer.Down
		}
	}
	return slices.DeleteFunc(nodesOf(pools), func(n *node) bool { return down[n.address] })
}

// poolsOf are the pools of a route's variants, each once; those of its shadow only if asked for.
func (rt *route) pools(withShadow bool) []*upstream {
	var pools []*upstream
	for _, v := range []*variant{rt.stable, rt.canary, rt.shadow} {
		if v == nil || v == rt.shadow && !withShadow || slices.Contains(pools, v.pool) {
			continue
		}
		pools = append(pools, v.pool)
	}
	return pools
}

// pools are those of all routes.
func (t *table) poolsOfRoutes(withShadow bool) []*upstream {
	var pools []*upstream
	for _, rt := range t.routes {
		for _, up := range rt.pools(withShadow) {
			if !slices.Contains(pools, up) {
				pools = append(pools, up)
			}
		}
	}
	return pools
}

// failSpan is the answer to a call that no node has answered as asked: in their words if they agree on the status.
func failSpan(replies []reply, retryAfter time.Duration) failure {
	said := slices.DeleteFunc(slices.Clone(replies), func(r reply) bool { return r.err != nil })
	if len(said) == 0 {
		return failure{reason: reasonNoNode, status: 503, text: "no node answered", retryAfter: retryAfter}
	}
	first := said[0]
	for _, r := range said {
		if r.status != first.status {
			return failure{reason: reasonUpstreamError, status: fasthttp.StatusBadGateway, text: complaints(said)}
		}
	}
	reason := reasonRejected
	if first.status >= fasthttp.StatusInternalServerError {
		reason = reasonUpstreamError
	}
	return failure{reason: reason, status: first.status, text: complaints(said)}
}

// complaints lists what nodes said, each thing once: alone if all said the same, else with the nodes that said it.
func complaints(replies []reply) string {
	var order []string
	by := map[string][]string{}
	for i := range replies {
		text := replies[i].complaint()
		if by[text] == nil {
			order = append(order, text)
		}
		by[text] = append(by[text], replies[i].node.address)
	}
	if len(order) == 1 {
		return order[0]
	}
	parts := make([]string, len(order))
	for i, text := range order {
		parts[i] = strings.Join(by[text], ", ") + ": " + text
	}
	return strings.Join(parts, "; ")
}

// compareVersions orders versions by number, and what is none before them.
func compareVersions(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) // canonical decimals
}
