// Package scheduler forms the batches of one model version.
//
// It owns the queue in front of the model's instances, the decision which requests run together and when, the memory in
// which their inputs are put together, and that of the results until the last request has let go of them. It refuses what
// does not fit its bounds, at once and with the bound's name, and everything whose time is over. It does not know what a
// model is: a [Runner] runs it.
package scheduler
