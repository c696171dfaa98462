package gateway

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/balancer"
	"ganglion/gateway/rpc"
)

// The series that are not histograms. Dashboards and alerts rely on these names. What is said about a node here is what
// the gateway sees of it, ganglion_upstream_*; ganglion_node_* are the node's own words.
var (
	buildInfo = series("build_info", "Always 1; the labels say what runs.", "version", "go")
	panics    = series("panics_total", "Panics that cost one exchange each: every one is a bug.")
	inFlight  = series("requests_in_flight", "Requests being answered.")

	requests = series("requests_total", "Exchanges by protocol, route, variant, HTTP status (for gRPC, the one that stands for what the client was told) and reason. Shadow copies have the protocol http, the variant shadow, and code 0 when they got no answer.",
		"protocol", "route", "variant", "code", "reason")
	cacheHits   = series("cache_hits_total", "Requests answered from memory.", "route")
	cacheMisses = series("cache_misses_total", "Cacheable requests that were not in memory.", "route")

	shadowSent    = series("shadow_sent_total", "Copies sent to the route's shadow, failed ones included.", "route")
	shadowFailed  = series("shadow_failed_total", "Copies the shadow did not answer, or answered with a failure.", "route")
	shadowDropped = series("shadow_dropped_total", "Sampled requests that were not copied because the shadow cannot keep up.", "route")

	retries       = series("retries_total", "Attempts after the first.", "pool")
	retriesDenied = series("retries_denied_total", "Retries that the pool's budget did not allow.", "pool")

	queueLength  = series("queue_length", "Requests that wait for room at a node.", "pool")
	queueMax     = series("queue_max", "Requests that may wait, queue.max.", "pool")
	queueExpect  = series("queue_expected_wait_seconds", "For how long a request that came now would wait, 0 when nobody does or nobody can tell.", "pool")
	queueRefused = series("queue_refused_total", "Requests that were not let wait, or not any longer, by reason.", "pool", "reason")
	queueLeft    = series("queue_left_total", "Requests whose client left while they waited.", "pool")
	nodeLimit    = series("upstream_limit", "Attempts that the node may have at a time, 0 = any number.", "pool", "node")
	nodeFound    = series("upstream_limit_found", "The limit that admission finds right for the node, in force or not; 0 = none yet.", "pool", "node")

	attemptsCut = series("attempt_timeouts_total", "Attempts broken off by retry.attempt_timeout.", "pool")

	hedgesSent   = series("hedges_total", "Second attempts made while the first was late.", "pool")
	hedgesWon    = series("hedges_won_total", "Hedges that were answered before the first attempt.", "pool")
	hedgesDenied = series("hedges_denied_total", "Late attempts without a hedge: the pool's budget was spent (budget), no other node was idle enough (busy), there was no other sound node (no_node), or the request may be part of a sequence (sequence).",
		"pool", "reason")
	hedgeDelay = series("hedge_delay_seconds", "After how long a first attempt of the model is late: the quantile that the pool hedges at, 0 until enough is known.", "pool", "model")

	nodeUp       = series("upstream_up", "1 when probes find the node ready, 0 when not, -1 while not known yet.", "pool", "node")
	nodeCircuit  = series("upstream_circuit", "The node's circuit breaker: 0 closed, 1 half-open, 2 open.", "pool", "node")
	modelCircuit = series("upstream_model_circuit", "The circuit breaker of a model on the node, of models it was asked for: 0 closed, 1 half-open, 2 open. The model * stands for those that are not known by name.", "pool", "node", "model")
	modelEjected = series("upstream_model_ejected", "1 while the model is ejected from the node as an outlier, of models it was asked for.", "pool", "node", "model")
	modelMissing = series("upstream_model_missing", "1 while the node says that it does not have the model ready, of models it was asked for and those of routes.", "pool", "node", "model")
	ejections    = series("upstream_ejections_total", "Models ejected from the node as outliers: slower than on the others, silent, or failing more.", "pool", "node")
	nodeSuspect  = series("upstream_suspect", "1 while the node gives no sign of life, so that only what nobody else can take is sent to it.", "pool", "node")
	suspicions   = series("upstream_suspicions_total", "Times that the node was found to give no sign of life while requests waited for it.", "pool", "node")
	declines     = series("declined_attempts_total", "Attempts that the node declined because it held more than this gateway believed, or would have had it wait longer. They are in no other count: another choice followed each.", "pool", "node")
	recalls      = series("upstream_recalls_total", "Attempts that waited on the node for a model that has fallen silent there, and went elsewhere.", "pool", "node")
	modelRests   = series("upstream_rests_total", "Times that the node asked to be left alone with the model, being full or with Retry-After, of models it was asked for.", "pool", "node", "model")
	nodeDrains   = series("upstream_draining", "1 while the node gets nothing new because of its weight, an operator or its own word.", "pool", "node")
	nodeInFlight = series("upstream_attempts_in_flight", "Attempts under way on the node.", "pool", "node")
	attempts     = series("attempts_total", "Attempts by node and by whose fault their outcome was.", "pool", "node", "outcome")
	connections  = series("upstream_connections", "Connections to the node: busy and idle ones of HTTP/1.1, and hop, which carry many requests each.", "pool", "node", "state")
	dials        = series("upstream_connects_total", "Connections made to the node.", "pool", "node")
	stale        = series("upstream_stale_connections_total", "Requests that met a closed keep-alive connection and were repeated on a fresh one.", "pool", "node")

	cacheBytes     = series("cache_bytes", "Memory that the cache takes: answers, a fixed cost for the bookkeeping of each, and what an empty cache takes.")
	cacheMaxBytes  = series("cache_max_bytes", "Memory that the cache may take, all of that included.")
	cacheEntries   = series("cache_entries", "Cached answers.")
	cacheEvictions = series("cache_evictions_total", "Answers that made room for others.")
	cacheDrops     = series("cache_drops_total", "Answers that the cache did not keep: above the bound for one answer (too_large), while too many waited to be stored (queue_full), or worth less than what they would have displaced (rejected).",
		"reason")

	logLines   = series("access_log_lines_total", "Lines taken for the access log.")
	logDropped = series("access_log_dropped_total", "Lines lost because the access log could not be written, or not fast enough.")

	clientConns   = series("client_connections", "Connections of clients open now.")
	clientAccepts = series("client_connections_total", "Connections of clients accepted.")
	clientRefused = series("client_connections_refused_total", "Connections closed at once because server.max_connections were open.")
	acceptRetries = series("accept_retries_total", "Accepts repeated after running out of descriptors or memory.")
	badRequests   = series("bad_requests_total", "Requests refused before they were routed: malformed, too large or too slow.")
	bodyBytes     = series("request_body_bytes", "Memory that request bodies take now.")
	rpcConns      = series("grpc_connections", "Connections of gRPC clients open now.")
	rpcAccepts    = series("grpc_connections_total", "Connections of gRPC clients accepted.")
	rpcRefused    = series("grpc_connections_refused_total", "Connections of gRPC clients closed at once because as many as may be were open.")
	rpcBytes      = series("grpc_message_bytes", "Memory that messages of gRPC calls take now.")
	rpcUnread     = series("grpc_unread_bytes", "Memory of large answers to gRPC calls that clients have not read.")
	rpcNoRoom     = series("grpc_messages_refused_total", "Calls refused because server.max_body_memory was spent by messages.")
	bodyRefused   = series("request_bodies_refused_total", "Requests refused because server.max_body_memory was spent.")
)

func series(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

func (s sink) collectVariant(m *variantMetrics, route, variant string) {
	m.outcomes.each(func(o outcome, n uint64) {
		s.counter(requests, n, "http", route, variant, strconv.Itoa(o.status), o.reason.String())
	})
	m.calls.each(func(o outcome, n uint64) {
		s.counter(requests, n, "grpc", route, variant, strconv.Itoa(o.status), o.reason.String())
	})
	s.ch <- m.duration
}

func (s sink) collectRoute(rt *route) {
	if rt.ttl > 0 {
		s.counter(cacheHits, rt.cacheTally.hits.Load(), rt.name)
		s.counter(cacheMisses, rt.cacheTally.misses.Load(), rt.name)
	}
	if rt.mirror != nil {
		st := rt.mirror.Stats()
		s.counter(shadowSent, st.Sent, rt.name)
		s.counter(shadowFailed, st.Failed, rt.name)
		s.counter(shadowDropped, st.Dropped, rt.name)
	}
}

func (s sink) collectPool(up *upstream) {
	pool := up.Name()
	s.counter(retries, up.retries.made.Load(), pool)
	s.counter(retriesDenied, up.retries.denied.Load(), pool)
	s.counter(attemptsCut, up.cut.Load(), pool)
	s.collectHedges(up)
	s.collectSources(pool, up.roster)
	s.collectQueue(pool, up)
	for _, st := range up.Nodes() {
		s.gauge(nodeUp, upValue(st.State), pool, st.Address)
		s.gauge(nodeCircuit, float64(st.Circuit), pool, st.Address)
		suspect := 0.0
		if st.Suspect {
			suspect = 1
		}
		s.gauge(nodeSuspect, suspect, pool, st.Address)
		s.counter(suspicions, st.Suspicions, pool, st.Address)
		s.gauge(nodeInFlight, float64(st.Inflight), pool, st.Address)
		s.gauge(nodeLimit, float64(st.Limit), pool, st.Address)
		s.gauge(nodeFound, float64(st.Found), pool, st.Address)
		s.counter(attempts, st.Successes, pool, st.Address, "success")
		s.counter(attempts, st.Failures, pool, st.Address, "failure")
		s.counter(attempts, st.Faults, pool, st.Address, "fault")
		s.counter(attempts, st.Neutral, pool, st.Address, "neutral")
		s.gauge(nodeDrains, oneIf(up.drainCause(st) != ""), pool, st.Address)
		s.collectModels(pool, st)
		n := memberOf(st.Node)
		s.counter(declines, n.declined.Load(), pool, st.Address)
		s.counter(recalls, n.waits.recalled.Load(), pool, st.Address)
		ts := n.transport.stats()
		s.gauge(connections, float64(ts.busy), pool, st.Address, "busy")
		s.gauge(connections, float64(ts.idle), pool, st.Address, "idle")
		s.gauge(connections, float64(ts.hops), pool, st.Address, "hop")
		s.counter(dials, ts.dials, pool, st.Address)
		s.counter(stale, ts.stale, pool, st.Address)
		s.ch <- n.metrics.duration
	}
}

func (s sink) collectModels(pool string, st balancer.NodeStatus) {
	var ejected uint64
	for _, m := range st.Models {
		ejected += m.Ejections
		if m.Asked() || m.Missing {
			s.gauge(modelMissing, oneIf(m.Missing), pool, st.Address, or(m.Model, anyModel))
		}
		if m.Asked() {
			s.gauge(modelCircuit, float64(m.Circuit), pool, st.Address, or(m.Model, anyModel))
			s.counter(modelRests, m.Rests, pool, st.Address, or(m.Model, anyModel))
			s.gauge(modelEjected, oneIf(m.Ejected), pool, st.Address, or(m.Model, anyModel))
		}
	}
	s.counter(ejections, ejected, pool, st.Address)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s sink) collectQueue(pool string, up *upstream) {
	q := up.Queue()
	s.gauge(queueLength, float64(q.Waiting), pool)
	s.gauge(queueMax, float64(q.Max), pool)
	s.gauge(queueExpect, q.Expected.Seconds(), pool)
	for _, why := range balancer.QueueReasons() {
		s.counter(queueRefused, q.Refused[why], pool, why.String())
	}
	s.counter(queueLeft, q.Left, pool)
	s.ch <- up.queued
}

func (s sink) collectHedges(up *upstream) {
	if !up.Hedges() {
		return
	}
	pool, t := up.Name(), &up.hedges
	s.counter(hedgesSent, t.sent.Load(), pool)
	s.counter(hedgesWon, t.won.Load(), pool)
	s.counter(hedgesDenied, t.overBudget.Load(), pool, "budget")
	s.counter(hedgesDenied, t.noRoom.Load(), pool, "busy")
	s.counter(hedgesDenied, t.noNode.Load(), pool, "no_node")
	s.counter(hedgesDenied, t.stateful.Load(), pool, "sequence")
	for _, m := range up.Models() {
		delay, ok := m.HedgeAfter()
		if !ok {
			delay = 0
		}
		s.gauge(hedgeDelay, delay.Seconds(), pool, or(m.Name(), anyModel))
	}
}

func upValue(st balancer.State) float64 {
	switch st {
	case balancer.Up:
		return 1
	case balancer.Down:
		return 0
	}
	return -1
}

func (s sink) collectServer(g *Gateway) {
	st := g.server.Stats()
	s.gauge(clientConns, float64(st.Open))
	s.counter(clientAccepts, st.Accepted)
	s.counter(clientRefused, st.Refused)
	s.counter(acceptRetries, st.AcceptRetries)
	s.counter(badRequests, st.BadRequests)
	s.gauge(bodyBytes, float64(st.BodyBytes))
	s.counter(bodyRefused, st.BodiesRejected)
}

func (s sink) collectRPC(st rpc.Stats) {
	s.gauge(rpcConns, float64(st.Open))
	s.counter(rpcAccepts, st.Accepted)
	s.counter(rpcRefused, st.Refused)
	s.gauge(rpcBytes, float64(st.BodyBytes))
	s.gauge(rpcUnread, float64(st.UnreadBytes))
	s.counter(rpcNoRoom, st.BodiesRejected)
}
