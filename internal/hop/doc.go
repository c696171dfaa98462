// Package hop is the connection between the edge and a node: many exchanges at once over one upgraded HTTP/1.1 connection.
//
// It owns the frames, their flow control and their failures. [Conn] is the edge's end, [Server] the node's. Both are handed
// a net.Conn on which the Upgrade has already been agreed ([Upgrade] does the client's half of that, [Negotiate] the
// server's); TLS is a matter of what the caller dials or accepts. The format is specified in docs/hop.md.
//
// It refuses to interpret bodies, to retry, to choose nodes and to dial: errors say whether the node may have begun the
// request ([Error.Begun]), and the caller decides.
//
// # Who writes
//
// Most of what a small exchange costs is the kernel's work for a write, so writes are shared. Whoever queues a frame while
// nobody writes becomes the writer: it yields the processor once, unless it has been alone lately, so that other exchanges
// that are ready to run queue theirs, and then hands everything to the kernel in one call that never blocks. When the socket is
// full, or more was queued meanwhile, the connection's own flusher goroutine carries on. A caller is therefore never held
// by somebody else's bytes, and its deadline holds even while the peer reads nothing.
//
// Large bodies are never queued. A stream with a body waits in a ring, and the writer takes one chunk of each in turn,
// straight from the sender's memory; small frames go ahead of chunks.
//
// # Concurrency
//
// All exported methods may be called from any goroutine, except that an [Exchange] has one user at a time (its Cancel is the
// exception) and that a handler's request and response die with its return. [Conn.Run] and [Server.Serve] are the reading
// goroutine; each starts one more, the flusher, and the server its workers, and waits for them. One mutex a connection
// guards the stream table and the write queue; no system call that can block is made under it.
package hop
