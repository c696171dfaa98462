// Package cache keeps answers in memory for as long as their route allows.
//
// It owns the keys, the copies of the answers and the bound on their memory. It refuses to know what an answer means or
// whether it may be kept: who asks decides that, and puts everything that tells two questions apart into the key. Between
// tenants that is the tenant too: the cache itself would share.
//
// The store is ristretto: reads take no lock of the whole cache, and when memory is short an answer that is asked for
// often is kept over one that is not (TinyLFU), so a flood of single questions does not wash the good answers out. The
// price is that storing is asynchronous and a wish: an answer may show up a moment later than it was stored, or never.
//
// # Concurrency
//
// All methods may be called from any goroutine at any time, also during and after Close, and on a nil Store, which is how
// a cache that is off looks. Stored answers are shared between readers and never change.
package cache
