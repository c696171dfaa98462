// Package rpc is the gRPC face of a node: it answers the protocol's gRPC calls out of the same core that answers REST.
//
// It owns what is gRPC's: the server with its limits, the codec, the order of answers on a stream, health, status codes, and
// the drain. It refuses to know models, queues and engines: the node is the [Node] interface, which *backend.Server has.
// Inferences go through internal/oip's wire codec: a tensor is copied once on its way in, when it came in more than one
// frame, and once on its way out. All other calls go through the generated messages.
//
// One file answers one question; in the order in which a call meets them: server.go (what is served, within which limits, and
// how does it end), limit.go (how many connections), around.go (what happens to every call), codec.go (how do bytes become a
// message), infer.go and stream.go (the inferences), describe.go and repository.go (the other calls), refused.go (what is
// known and not offered), health.go, status.go (what is the client told), memory.go (how much may all calls hold), metrics.go.
//
// Concurrency: every call runs on a goroutine of grpc's. A stream has a receiver beside its handler, and a goroutine for each
// request being answered; Run waits for all of them.
package rpc
