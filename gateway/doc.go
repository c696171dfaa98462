// Package gateway is the edge: it takes Open Inference Protocol calls from clients and gets each answered by a node.
//
// It owns the way of an exchange from its parsed request to its written answer: route, variant, cache, attempts on
// leased nodes, the judgement of each attempt, the answer, and what is recorded about it (metrics, one access-log
// line). It refuses to decide what others own: which node is fit is the balancer's matter, what an answer's bytes mean
// is the node's; the gateway reads no more of a body than the cache needs to find the request's id, unless it has to
// put it into the words of a node that has others.
//
// One file answers one question; in the order in which an exchange meets them: handler.go (whose call is it), table.go
// (which route), exchange.go (what is known about this exchange), answers.go (is the answer known already), attempts.go
// (who is asked, how often), outbound.go (what a node gets to see), transport.go, carrier.go, hopline.go, h1.go and conns.go
// (how it gets there), answermemory.go (what large answers may take), judge.go (what does the outcome mean), errors.go (what
// is the client told), accesslog.go and metrics.go. Calls that come over gRPC are exchanges too: package rpc takes them in and
// rpcedge.go makes them so. Nodes that speak another form than the client are bridged: bridge.go, dialect.go and, for those
// that speak gRPC, rpcnode.go and its neighbours.
//
// Concurrency: an exchange belongs to the goroutine of its client's connection and touches nothing shared but atomics,
// the pools' snapshots, the idle connections of a node and the cache. Routes are immutable behind one atomic pointer;
// an exchange keeps the table it started with. Nothing taken from a fasthttp.RequestCtx outlives the exchange: what
// goes on after it (shadow copies, log lines, cached answers) is copied first.
package gateway
