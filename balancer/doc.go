// Package balancer decides which node takes an attempt and remembers how it went.
//
// It owns pools: their nodes, the probes that find out who is ready, circuit breakers, the policies that choose, and the
// budget for retries. It refuses to know what an attempt is: it opens no connection, reads no status code and repeats
// nothing. Whoever sends the attempt judges it and reports one [Outcome] per [Lease]; how a node is probed is handed in as a
// function.
//
// # Nodes, models, placements
//
// A [Node] is a process. What holds for the process is kept there: what probes say of it, whether it can be reached (the
// node's own breaker), how much it has in flight, whether it drains. A [Model] is one model as the pool serves it; what
// happens to it on one of the nodes is kept in its placement there: a breaker of its own, how quick it is, whether the node
// lacks it. So a model that is broken on a node does not take the node's other models with it, and a node that is dead is
// dead for all of them. Models that nobody has made known by name share the placements of the pool's common model.
//
// # How a node is chosen
//
// What there is to say of a node and of the placement makes its standing for the model, and a pick takes the best standing
// that holds a node the exchange has not tried yet:
//
//  1. sound: up, and nothing of what follows
//  2. hopeful: not probed yet, so that a gateway which starts next to its nodes need not refuse
//  3. ejected: an outlier among the pool's nodes, slower than the others or failing more; but it works
//  4. resting: it asked to be left alone for a while, since it is full
//  5. draining: weight 0, drained by an operator, or about to leave by its own word
//  6. doubted: its circuit, or the placement's, is not closed; the pool fails open rather than refusing everything
//  7. doubted and draining
//  8. suspected: it gives no sign of life, and who asks it may wait for as long as that lasts
//  9. missing: it says that it does not have the model
//
// The worst of all that holds counts. A node that is down has no standing and is never picked. Busy nodes are no reason to
// take one of a worse standing: if all that were not tried are at their limit, the pick ends with [ErrFull]. Draining comes
// after resting for the same reason: what others have too much of must not go to a node that is about to leave.
//
// Among nodes of one standing the pool's policy chooses, each in the file of its name, by weights that are smaller for nodes
// that start slowly; retries go to nodes whose last attempt was answered, if there are any (footing.go). Before all that, the first attempt of an exchange may be handed to a node whose open circuit is due for
// its trial, or which is ejected, or may be soon, and has to be looked at; later attempts never are, since they may be the last
// chance of their exchange, and those of a sequence have their node.
//
// # Outliers
//
// Ten times a second a picker holds every placement of its model against the others (outlier.go): how long answers took and how
// long after each other they came (stopwatch.go, compare.go), whether there are any, how many attempts failed. What cannot be
// chance (evidence.go) is ejected for a while (ejection.go, setback.go).
//
// # When all are full
//
// [Model.Wait] is Pick for an exchange that would rather wait: while every node that could take the attempt is at its limit it
// stands in the pool's queue, and whoever frees a place hands it to the first who can use it. While anybody waits, Pick
// fails: nobody goes before them. Who would not be served in time is refused at once, with a [QueueError]. A node's limit is
// configured, or found by admission, which Run runs.
//
// # Concurrency
//
// Every method of every type may be called from any goroutine, except that a [Tried], a [Lease] and, but for
// [Waiter.Leave], a [Waiter] belong to one exchange.
// [Model.Pick] reads one immutable snapshot behind one atomic pointer; it waits for nobody and allocates nothing unless it
// grants a trial or the time has come for a change. Whatever changes who may be picked (a probe's verdict, a circuit that
// opens or closes, a node that joins) builds the next snapshot under the pool's control lock; in a large pool the next pick
// does, for all changes of a millisecond and more at once, and until then picks pass by nodes that have become worse
// (publish.go). Counters live on the node and the placement and outlive snapshots; those of a node that leaves go with it,
// after its last lease.
package balancer
