// Package replay keeps what a gateway's balancer decided, and finds out offline what another policy would have made of the same
// arrivals.
//
// It owns the format of a trace (lines of JSON: a [Header], a [Decision] for each lease that ended, a [Footer]), its reader and
// writer, the model of the nodes that is drawn from a trace, and the simulation that feeds the arrivals to the real code of a
// policy. It refuses to guess more than a trace can tell: see [Run].
//
// A [Writer] is used by one goroutine; everything else is a function of its arguments.
package replay
