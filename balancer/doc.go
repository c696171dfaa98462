// Package balancer decides which node takes an attempt and remembers how it went.
//
// It owns pools: their nodes, the probes that find out who is ready, a circuit breaker per node, the policies that choose,
// and the budget for retries. It refuses to know what an attempt is: it opens no connection, reads no status code and
// repeats nothing. Whoever sends the attempt judges it and reports one [Outcome] per [Lease]; how a node is probed is
// handed in as a function.
//
// # How a node is chosen
//
// A node has a [State], which the probes decide, and a [Circuit], which the outcomes of attempts decide. Together with the
// weight they make its standing, and a pick takes the best standing that holds a node the exchange has not tried yet:
//
//  1. sound: up, circuit closed
//  2. hopeful: not probed yet, circuit closed, so that a gateway which starts next to its nodes need not refuse
//  3. draining: weight 0, circuit closed
//  4. doubted: circuit not closed; the pool fails open rather than refusing everything
//  5. doubted and draining
//
// A node that is down has no standing and is never picked. Among nodes of one standing the pool's policy chooses, each in
// the file of its name, by weights that are smaller for nodes that start slowly. Before all that, the first attempt of an
// exchange may be handed to a node whose open circuit is due for its trial; later attempts never are, since they may be the
// last chance of their exchange.
//
// # Concurrency
//
// Every method of every type may be called from any goroutine, except that a [Tried] and a [Lease] belong to one exchange.
// [Pool.Pick] reads one immutable snapshot behind one atomic pointer; it waits for nobody and allocates nothing unless it
// grants a trial or publishes the next step of a node that starts slowly. Whatever changes who may be picked (a probe's
// verdict, a circuit that opens or closes) builds the next snapshot under the pool's control lock. Counters live on the node
// and outlive snapshots.
package balancer
