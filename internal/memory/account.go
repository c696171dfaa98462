// Package memory counts what many requests hold of one kind of memory against a bound that they share.
//
// It owns a number. It refuses to allocate, to wait until there is room, and to say what a refusal means: that is for
// whoever asked. Everybody who reserves releases as much, once.
//
// Concurrency: an Account is for any number of goroutines and takes no lock.
package memory

import "sync/atomic"

// Account is memory of which at most Limit bytes may be reserved at a time. Set Limit before its first use.
type Account struct {
	Limit int64
	used  atomic.Int64
}

// Reserve takes bytes, or nothing when they are not there, and says which.
func (a *Account) Reserve(bytes int64) bool {
	if a.used.Add(bytes) > a.Limit {
		a.used.Add(-bytes)
		return false
	}
	return true
}

// Release puts back what Reserve took.
func (a *Account) Release(bytes int64) { a.used.Add(-bytes) }

// Used is how many bytes are reserved; for a moment it may count some that are about to be refused.
func (a *Account) Used() int64 { return a.used.Load() }
