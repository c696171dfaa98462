// Package discovery finds out which nodes a pool has: from DNS (addresses or SRV records) and from a watched file.
//
// It owns asking and reading: whom to ask, when to ask again, what of an answer is believed, and the last good list while there
// is no better one. It refuses to judge nodes and to connect to them: that is the pool's business, which gets whole lists.
//
// # What becomes of a list
//
// A list is replaced by a good one only. A name that does not exist, a server that fails, an answer that makes no sense, a
// file that is half written, and also an answer that is right and empty leave it as it is: the nodes of the last list are
// probed, so that one which is gone gets nothing, and those that are not gone go on serving while the source is repaired. An
// empty pool helps nobody. Everything that went wrong is counted by [Kind] and told by [Watcher.Status].
//
// # Why the standard resolver is not enough
//
// net.Resolver hides how long an answer is good for. The questions are asked with dnsmessage instead, the codec of that same
// resolver, and go to the servers of resolv.conf. /etc/hosts and nsswitch.conf are not read: what they say does not change, so
// it can be written as nodes.
//
// # Concurrency
//
// A [Watcher] asks in the one goroutine of its Run; its other methods may be called from any.
package discovery
