// Package scheduler forms the batches of one model version.
//
// It owns the queue in front of the model's instances, the decision which requests run together and when, the memory in
// which their inputs are put together, and that of the results until the last request has let go of them. It refuses what
// does not fit its bounds, at once and with the bound's name, and everything whose time is over. It does not know what a
// model is: a [Runner] runs it.
//
// # The life of a request
//
// A caller fills a [Request] and calls Infer, which returns when the request has been answered (scheduler.go).
//
//  1. It is admitted: tensors that disagree with their shapes, too many rows or an unknown priority are refused; its rows,
//     its ragged lengths and the hash of its signature are found (admit.go, length.go, signature.go).
//  2. When an instance is idle and nothing is queued, the goroutine that brought the request takes the instance and runs it
//     at once, on the caller's own memory: no switch of goroutines, no copy. When more of its kind have just been answered
//     and runs are short, it lets them send their next requests first and takes them along.
//  3. Otherwise the request joins the lane of its signature (queue.go) and its goroutine waits. The lane whose first request
//     is oldest, priorities considered, gets the next instance. With a MaxQueueDelay an idle instance may be held back, but
//     only while requests are missing that have been seen lately (dispatch.go).
//  4. Whoever frees an instance, or fills a batch, forms the next one and wakes the batch's leader: one of its requests,
//     whose goroutine puts the inputs together, runs them, and takes the outputs apart (lead.go, assemble.go, padding.go,
//     split.go). The instance goes on to the next batch before the answers are handed out.
//  5. The caller reads Outputs, which lie in the memory the Runner wrote, and calls Release. The last one of a batch to do so
//     returns the memory (pool.go).
//
// A request leaves early when its deadline passes or its context ends: from the queue at once, from a running batch too,
// because that has a copy of its inputs; only while the inputs are being copied it waits for that (deadline.go). The run is
// stopped when nobody waits for it. When a run fails and the error says that input may have caused it, the batch's requests
// go back to the front of the queue to run alone, so that only the bad one fails.
//
// # Concurrency
//
// A Scheduler is safe for concurrent use and has no goroutines: all work is done by those that call Infer, and by one timer.
// One mutex guards the queue, the instances and where each request is; it is held to move requests about, never while
// tensors are copied, a model runs, or an Observer is called. What a batch holds belongs to its leader from its beginning to
// its end; the results belong to the requests that hold them, who only read. A waiting request is told exactly one thing on
// its channel, that it has been answered or that it leads, and is not touched by others after that.
package scheduler
